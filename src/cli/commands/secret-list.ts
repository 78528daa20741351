import { resolve } from 'node:path'
import { secretStatuses, storedNames, type SecretStatus, type StatusRequest } from '../../cage/secret-status.ts'
import type { Io } from '../io.ts'
import { renderTable } from '../render/table.ts'
import type { SecretListFlags } from '../routes/secret.ts'

const COLUMNS = [{ title: 'NAME', width: 30 }, { title: 'TYPE', width: 12 }, { title: 'STATUS' }] as const

/** `agentcage secret list CAGE`: 1 when a secret is missing. */
export async function secretList(flags: SecretListFlags, [cage]: readonly [string], io: Io): Promise<number> {
  const configPath = flags.config === undefined ? undefined : resolve(io.cwd(), flags.config)
  const request: StatusRequest = { cage, configPath, environment: io.env, ask: flags.check }
  const statuses = await secretStatuses(request)
  if (statuses === undefined) return listNames(await storedNames(cage, io.env), { cage, json: flags.json }, io)
  if (flags.json) io.stdout.write(`${JSON.stringify({ cage, secrets: statuses })}\n`)
  else if (statuses.length === 0) io.stdout.write(`No secrets found for '${cage}'.\n`)
  else io.stdout.write(renderTable(COLUMNS, statuses.map(cells)))
  for (const { name, problem } of statuses)
    if (problem !== undefined && !flags.json) io.stderr.write(warning(name, problem))
  return statuses.some(({ status }) => status === 'MISSING') ? 1 : 0
}

/** Without a configuration nobody knows what is needed. */
function listNames(
  names: readonly string[],
  { cage, json }: { readonly cage: string; readonly json: boolean },
  io: Io,
): number {
  if (json) io.stdout.write(`${JSON.stringify({ cage, secrets: names.map((name) => ({ name })) })}\n`)
  else if (names.length === 0) io.stdout.write(`No secrets found for '${cage}'.\n`)
  else
    io.stdout.write(
      renderTable(
        [{ title: 'NAME', width: 30 }],
        names.map((name) => [name]),
      ),
    )
  return 0
}

function cells({ name, type, status }: SecretStatus): readonly string[] {
  return [name, type, status]
}

/** Most problems name their secret. */
function warning(name: string, problem: string): string {
  const line = problem.split(/\s*\n\s*/).join('; ')
  return `warning: ${line.includes(name) ? line : `${name}: ${line}`}\n`
}
