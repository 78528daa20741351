import { CageError } from '../../errors.ts'
import { CODING } from './coding.ts'
import type { Scaffold } from './scaffold.ts'
import { SERVICES } from './services.ts'

export const SCAFFOLDS: readonly Scaffold[] = [...CODING, ...SERVICES]

/** Throws `usage` naming those there are. */
export function scaffoldNamed(name: string): Scaffold {
  const found = SCAFFOLDS.find((scaffold) => scaffold.name === name)
  if (found !== undefined) return found
  const names = SCAFFOLDS.map((scaffold) => scaffold.name).join(', ')
  throw new CageError('usage', `there is no scaffold '${name.slice(0, 80)}'`, { hint: `There are ${names}.` })
}

/** A whole configuration, ready to be written. */
export function scaffoldText({ brief, text }: Pick<Scaffold, 'brief' | 'text'>, name: string): string {
  return `# ${brief}. Every key: docs/reference/configuration.md, or agentcage config schema\nname: ${name}\n${text}`
}

export interface PlainChoice {
  readonly name: string
  /** An image, for a cage in a container; absent: a command of the host. */
  readonly image: string | undefined
}

/** The configuration that names no agent: every part that most will want, most of it commented out. */
export function plainText({ name, image }: PlainChoice): string {
  const what = image === undefined ? HOST_COMMAND : `  image: ${JSON.stringify(image)}\n${IMAGE_COMMAND}`
  return `# What the agent may do. Every key: docs/reference/configuration.md, or agentcage config schema
name: ${name}
isolation: ${image === undefined ? 'process' : 'container'}

# Where it may go, subdomains included. Nothing else is reachable.
domains:
  mode: allowlist
  list: []
  # list:
  #   - api.example.com
  #   - { host: files.example.com, methods: [GET], paths: [/public] }
  #   - { host: trial.example.com, expires: 2026-12-31T18:00:00Z }

# What it may use without holding it: in the cage the variable is a placeholder, and becomes the value on the way to these
# hosts only. agentcage secret set ${name} EXAMPLE_API_KEY
# secret_injection:
#   - env: EXAMPLE_API_KEY
#     inject_to: [api.example.com]

# How fast it may go, for each host.
rate_limit:
  requests_per_second: 10
  burst: 50

container:
${what}  pids: 4096
  # memory: 4g
  # volumes:
  #   - ~/data:/data:ro
  # env:
  #   LOG_LEVEL: info
`
}

const HOST_COMMAND = `  # What runs in the cage, the project folder writable. Without it nothing runs until agentcage exec.
  # command: [node, agent.js]
`
const IMAGE_COMMAND = `  # In place of what the image runs by itself:
  # command: [node, /app/agent.js]
`
