import { checkConfigFile, problemText } from '../../config/load.ts'
import { isolationOf } from '../../config/isolation.ts'
import type { Config } from '../../config/schema.ts'
import type { Io } from '../io.ts'
import type { ConfigCheckFlags } from '../routes/config.ts'

/** `agentcage config check FILE`: 0 and a summary, or 2 and the problems. */
export async function configCheck(flags: ConfigCheckFlags, [file]: readonly [string], io: Io): Promise<number> {
  const { config, problems } = await checkConfigFile(file)
  const ok = config !== undefined
  if (flags.json) io.stdout.write(`${JSON.stringify({ ok, file, problems }, null, 2)}\n`)
  else if (ok) io.stdout.write(`${file}: ok\n${summary(config)}`)
  else io.stderr.write(`${problemText(problems, file)}\n`)
  return ok ? 0 : 2
}

function summary(config: Config): string {
  const rows = [
    ['isolation', isolationOf(config)],
    ['domains', domains(config)],
    ['secrets', config.secret_injection.map(({ env }) => env).join(', ') || 'none'],
  ]
  return rows.map(([name, value]) => `  ${`${name}:`.padEnd(11)}${value}\n`).join('')
}

function domains({ domains: policy }: Config): string {
  if (policy === undefined) return 'none reachable (there is no domains section)'
  const count = `${policy.list.length} ${policy.list.length === 1 ? 'entry' : 'entries'}`
  if (policy.mode === 'blocklist') return `all reachable but ${count}`
  return policy.list.length === 0 ? 'none reachable (the list is empty)' : `${count} reachable`
}
