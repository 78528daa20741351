import { listCages } from '../../cage/lifecycle.ts'
import type { Io } from '../io.ts'
import { renderTable } from '../render/table.ts'
import type { CageJsonFlags } from '../routes/cage-look.ts'

export async function cageList(flags: CageJsonFlags, _args: readonly [], io: Io): Promise<number> {
  const cages = await listCages(io.env)
  if (flags.json) io.stdout.write(`${JSON.stringify(cages, null, 2)}\n`)
  else if (cages.length === 0) io.stdout.write('No cages found.\n')
  else io.stdout.write(tableOf(cages.map(({ name, status }) => [name, status])))
  return 0
}

function tableOf(rows: readonly (readonly string[])[]): string {
  const widest = Math.max(20, ...rows.map(([name = '']) => name.length))
  return renderTable([{ title: 'NAME', width: widest }, { title: 'STATUS' }], rows)
}
