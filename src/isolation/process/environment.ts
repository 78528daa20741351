import { isAbsolute } from 'node:path'
import { CageError } from '../../errors.ts'
import type { HostFacts } from './host.ts'
import { expandVariables } from './variables.ts'

export interface EnvironmentRequest {
  readonly host: HostFacts
  /** `container.env`. */
  readonly configured: Readonly<Record<string, string>>
  /** Environment name to placeholder. */
  readonly placeholders: Readonly<Record<string, string>>
  readonly trust: Readonly<Record<string, string>>
  /** URL of the explicit proxy, as the workload reaches it. */
  readonly proxy: string
  readonly path: string
  readonly workingDirectory: string
  readonly cageName: string
  /** Variables of agentcage's own for single programs, such as git. */
  readonly tools: Readonly<Record<string, string>>
  /** Whether the workload sees what the host has at a path. */
  readonly isShown: (path: string) => boolean
}

export interface Environment {
  readonly variables: Readonly<Record<string, string>>
  readonly warnings: readonly string[]
}

/** Taken over from the host: how the terminal and the language are, and nothing that could hold a credential. */
const PASSED =
  /^(?:TERM|COLORTERM|TERM_PROGRAM|TERM_PROGRAM_VERSION|LANG|LANGUAGE|LC_[A-Z]+|TZ|NO_COLOR|FORCE_COLOR|CLICOLOR|CLICOLOR_FORCE|COLUMNS|LINES)$/

/** Where tools are installed; taken over when that place is shown. */
const TOOL_ROOTS = [
  'ASDF_DATA_DIR',
  'BUN_INSTALL',
  'CONDA_PREFIX',
  'DENO_INSTALL',
  'GOROOT',
  'JAVA_HOME',
  'NVM_DIR',
  'PNPM_HOME',
  'PYENV_ROOT',
  'RBENV_ROOT',
  'RUSTUP_HOME',
  'SDKMAN_DIR',
  'VIRTUAL_ENV',
  'VOLTA_HOME',
]

const LONGEST = 4096

/**
 * The whole environment of the workload, made from nothing. `container.env` comes last, and throws `config_invalid`
 * for a name that the cage itself needs: a proxy or a bundle overridden by accident would fail far from its cause.
 */
export function workloadEnvironment(request: EnvironmentRequest): Environment {
  const { host, placeholders } = request
  const own = { ...proxyVariables(request.proxy), ...request.trust, AGENTCAGE: request.cageName }
  for (const name of Object.keys(request.configured)) refuseTaken(name, own, placeholders)
  const warnings: string[] = []
  const configured = Object.entries(request.configured).map(([key, template]) => {
    const { text, unset } = expandVariables(template, (name) => placeholders[name] ?? host.environment[name])
    warnings.push(...unset.map((name) => `env var reference \${${name}} is unset (key: ${key})`))
    return [key, text] as const
  })
  const variables = { ...basicVariables(request), ...Object.fromEntries(configured), ...placeholders, ...own }
  return { variables, warnings }
}

function basicVariables({ host, path, workingDirectory, tools, isShown }: EnvironmentRequest): Record<string, string> {
  const { environment, home, userName } = host
  const passed = Object.entries(environment).filter(
    (entry): entry is [string, string] => PASSED.test(entry[0]) && isPlain(entry[1]),
  )
  const roots = TOOL_ROOTS.flatMap((name): readonly (readonly [string, string])[] => {
    const root = environment[name]
    return root !== undefined && isAbsolute(root) && isShown(root) ? [[name, root]] : []
  })
  const shell = environment['SHELL']
  return {
    ...Object.fromEntries([...passed, ...roots]),
    ...tools,
    HOME: home,
    LOGNAME: userName,
    PATH: path,
    PWD: workingDirectory,
    SHELL: shell !== undefined && isAbsolute(shell) && isShown(shell) ? shell : '/bin/sh',
    TMPDIR: '/tmp',
    USER: userName,
  }
}

/** `no_proxy` names the cage's own loopback only. Java and a few others read none of these and are captured anyway. */
export function proxyVariables(proxy: string): Record<string, string> {
  const local = 'localhost,127.0.0.1,::1'
  const both = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, ALL_PROXY: proxy, NO_PROXY: local }
  const lower = Object.fromEntries(Object.entries(both).map(([name, value]) => [name.toLowerCase(), value]))
  return { ...both, ...lower, NODE_USE_ENV_PROXY: '1' }
}

function refuseTaken(
  name: string,
  own: Readonly<Record<string, string>>,
  placeholders: Readonly<Record<string, string>>,
): void {
  if (Object.hasOwn(placeholders, name)) {
    throw new CageError('config_invalid', `container.env.${name}: secret_injection sets this variable already`, {
      hint: 'Remove one of the two.',
    })
  }
  if (!Object.hasOwn(own, name)) return
  throw new CageError('config_invalid', `container.env.${name}: the cage sets this variable itself`, {
    hint: 'Remove it: proxy and certificates inside the cage are those of the egress.',
  })
}

function isPlain(value: string | undefined): value is string {
  return value !== undefined && value.length <= LONGEST && /^[^\x00-\x1f\x7f]*$/.test(value)
}
