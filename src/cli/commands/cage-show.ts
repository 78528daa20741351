import { loadDeployment, readDeploymentRecord } from '../../cage/deployment.ts'
import { cageStatus } from '../../cage/lifecycle.ts'
import type { Io } from '../io.ts'
import { printable } from '../render/printable.ts'
import type { CageJsonFlags } from '../routes/cage-look.ts'

export async function cageShow(flags: CageJsonFlags, [name]: readonly [string], io: Io): Promise<number> {
  const status = await cageStatus(name, io.env)
  const record = await readDeploymentRecord(name, io.env)
  const { config, configPath, stateFolder } = await loadDeployment(name, io.env)
  // What was kept of the environment may be private, and says nothing of the cage.
  const { environment: _, ...shown } = record ?? { environment: {} }
  if (flags.json) {
    io.stdout.write(
      `${JSON.stringify({ ...status, config: configPath, state: stateFolder, record: shown }, null, 2)}\n`,
    )
    return 0
  }
  const rows: readonly (readonly [string, string])[] = [
    ['name', name],
    ['status', status.status],
    ['isolation', status.isolation],
    ...status.services.map(({ unit, state }) => ['service', `${unit} ${state}`] as const),
    ['created', record?.created ?? ''],
    ['updated', record?.updated ?? ''],
    ['config', configPath],
    ['state', stateFolder],
    ['project', status.isolation === 'process' ? (record?.project ?? '') : ''],
    ['domains', `${config.domains?.mode ?? 'allowlist'}, ${config.domains?.list.length ?? 0} listed`],
    ['secrets', config.secret_injection.map(({ env }) => env).join(', ') || 'none'],
  ]
  const filled = rows.filter(([, value]) => value !== '')
  io.stdout.write(filled.map(([key, value]) => `${`${key}:`.padEnd(11)}${printable(value)}\n`).join(''))
  return 0
}
