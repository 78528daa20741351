import { createCage, foldersOf, planCage, type CreateRequest } from '../../cage/create.ts'
import { backendOf } from '../../cage/backends.ts'
import { CageError } from '../../errors.ts'
import { userManager } from '../../isolation/systemd/user-manager.ts'
import { parseSecret } from '../../secrets/secret-value.ts'
import type { Secret } from '../../secrets/secret.ts'
import type { SecretArgument } from '../arguments.ts'
import type { Io } from '../io.ts'
import { printable } from '../render/printable.ts'
import type { CageCreateFlags } from '../routes/cage-make.ts'
import { packageVersion } from '../version.ts'

/** `agentcage cage create`: says each slow step, and at the end where the logs are. */
export async function cageCreate(flags: CageCreateFlags, _args: readonly [], io: Io): Promise<number> {
  const say = (line: string): void => void io.stdout.write(`${line}\n`)
  const request: CreateRequest = {
    configPath: flags.config,
    secrets: (flags.secret ?? []).map((argument) => valueOf(argument, io.env)),
    project: flags.project ?? '.',
    start: flags.start,
    workingDirectory: io.cwd(),
    environment: io.env,
    version: packageVersion(),
    report: say,
  }
  if (flags.dryRun) return printUnits(request, io)
  const deployment = await createCage(request)
  const { name, record } = deployment
  const backend = await backendOf(record.isolation)
  const units = backend.units(deployment)
  for (const folder of foldersOf(units)) say(`Installed unit files to ${folder}`)
  warnOfLogOut(io)
  if (!flags.start) {
    say(`Created cage '${name}'. Start it with: agentcage cage start ${name}`)
    return 0
  }
  say(`Started ${name}-cage`)
  say('')
  say('Logs:')
  for (const { unit } of await backend.status(deployment))
    say(`  journalctl --user -u ${unit.replace(/\.service$/, '')} -f`)
  return 0
}

async function printUnits(request: CreateRequest, io: Io): Promise<number> {
  for (const { path, content } of await planCage(request)) io.stdout.write(`# ${printable(path)}\n${content}\n`)
  return 0
}

function valueOf({ name, value }: SecretArgument, env: Io['env']): Secret {
  if (value !== undefined) return value
  const text = env[name]
  if (text !== undefined && text !== '') return parseSecret(name, text)
  throw new CageError('secret_missing', `-s ${name}: there is no variable ${name} in the environment`, {
    hint: `Set it, or give the value by itself first: agentcage secret set CAGE ${name}`,
  })
}

/** Without lingering, systemd ends a user's services at the last log-out: a trap on a server. */
function warnOfLogOut(io: Io): void {
  const manager = userManager(io.env)
  if (manager.lingers || process.geteuid?.() === 0) return
  io.stderr.write(`warning: the cage ends when you log out. To keep it: sudo loginctl enable-linger ${manager.user}\n`)
}
