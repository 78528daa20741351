/*
 * The routes of the command line.
 *
 * One command is two files. `routes/NAME.ts` declares flags, arguments and help text; it is loaded at every start, so it
 * imports nothing heavy. `commands/NAME.ts` does the work and is imported when the command runs; it exports
 *
 *   export async function NAME(flags: NameFlags, args: readonly […], io: Io): Promise<number>
 *
 * and returns the exit code. It writes to `io.stdout` and `io.stderr`, never to `process`, and throws a `CageError` for
 * what a person can mend: main prints `error: message` with the hint and exits with the error's own code.
 * Anything else that is thrown is a defect: `error: internal: …`, exit 1.
 */
import { buildApplication, buildRouteMap, help, version, type Application } from '@stricli/core'
import type { CliContext } from './command.ts'
import { auditRoute } from './routes/audit.ts'
import { execRoute, shellRoute } from './routes/cage-enter.ts'
import { listRoute, logsRoute } from './routes/cage-look.ts'
import { destroyRoute } from './routes/cage-make.ts'
import { cageRoutes } from './routes/cage.ts'
import { completionsRoute } from './routes/completions.ts'
import { configRoutes } from './routes/config.ts'
import { doctorRoute } from './routes/doctor.ts'
import { domainRoutes } from './routes/domain.ts'
import { egressRoute } from './routes/egress.ts'
import { initRoute } from './routes/init.ts'
import { runRoute } from './routes/run.ts'
import { secretRoutes } from './routes/secret.ts'
import { vmRoutes } from './routes/vm.ts'
import { cliText } from './text.ts'
import { packageVersion } from './version.ts'

const root = buildRouteMap({
  docs: { brief: 'Defense-in-depth proxy sandbox for AI agents.' },
  routes: {
    run: runRoute,
    init: initRoute,
    cage: cageRoutes,
    domain: domainRoutes,
    egress: egressRoute,
    secret: secretRoutes,
    audit: auditRoute,
    doctor: doctorRoute,
    vm: vmRoutes,
    config: configRoutes,
    completions: completionsRoute,
    ls: listRoute,
    ps: listRoute,
    rm: destroyRoute,
    logs: logsRoute,
    exec: execRoute,
    shell: shellRoute,
  },
})

/** `argv` is for errors: they point to the help of the command that was meant. */
export function buildCli(argv: readonly string[] = []): Application<CliContext> {
  return buildApplication(
    root,
    {
      name: 'agentcage',
      scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
      documentation: { disableAnsiColor: true },
      completion: { includeAliases: false },
      localization: { text: cliText(commandIn(argv)) },
    },
    {
      help: help({
        brief: 'Print help and exit',
        defaultForRouteMap: true,
        formatting: { useAliasInUsageLine: true, onlyRequiredInUsageLine: false, caseStyle: 'convert-camel-to-kebab' },
      }),
      version: version({
        brief: 'Print the version and exit',
        alias: false,
        info: { getCurrentVersion: async () => `agentcage, version ${packageVersion()}` },
      }),
    },
  )
}

/** The words at the beginning that name a command, or a group of them. */
function commandIn(argv: readonly string[]): string {
  const words = ['agentcage']
  let target: ReturnType<typeof root.getRoutingTargetForInput> = root
  for (const word of argv) {
    target = 'getRoutingTargetForInput' in target ? target.getRoutingTargetForInput(word) : undefined
    if (target === undefined) break
    words.push(word)
  }
  return words.join(' ')
}
