import { stringify } from 'yaml'
import { agentcage, asUser, tryAsUser, writeUserFile } from '../lab/lab.ts'

/** Of the user in the lab. */
export const HOME = '/home/keeper'

/** Ends at once when it is asked to, which process 1 of a container does only with a handler of its own. */
const IDLE = ['node', '-e', "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1 << 30)"]

/** A configuration for the lab's internet and its image for agents; `more` is laid over it. */
export function configFor(name: string, more: Readonly<Record<string, unknown>> = {}): string {
  const { container, ...rest } = { container: {}, ...more }
  return stringify({
    name,
    container: { image: 'localhost/agent:lab', command: IDLE, restart_sec: 1, ...container },
    domains: { list: ['allowed.test'] },
    upstream: { ca_file: '/run/internet/ca.pem', allow_addresses: ['198.18.0.0/15'] },
    ...rest,
  })
}

export async function createCage(
  name: string,
  more: Readonly<Record<string, unknown>> = {},
  args: readonly string[] = [],
): Promise<void> {
  const path = `${HOME}/${name}.yaml`
  await writeUserFile(path, configFor(name, more))
  await agentcage('cage', 'create', '-c', path, ...args)
}

/** What a command in the agent's container prints, errors first; its exit code comes last. */
export async function inCage(name: string, ...command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await tryAsUser(['podman', 'exec', `${name}-cage`, ...command])
  return `${stderr}${stdout}[${code}]`
}

/** Status and body of a request from the agent's container by curl, through the proxy that the environment names. */
export async function curl(name: string, url: string, ...args: readonly string[]): Promise<string> {
  return inCage(
    name,
    'curl',
    '--silent',
    '--show-error',
    '--connect-timeout',
    '3',
    '--max-time',
    '20',
    '--write-out',
    ' %{http_code}',
    ...args,
    url,
  )
}

/** Waits until a service of the user's is active; systemd itself says when. */
export async function untilActive(...units: readonly string[]): Promise<void> {
  const script = 'for unit; do until systemctl --user --quiet is-active "$unit"; do sleep 0.2; done; done'
  await asUser('timeout', '120', 'bash', '-c', script, 'wait', ...units)
}

/** Everything of Podman's and systemd's that could belong to a cage, by name. */
export async function traces(name: string): Promise<string> {
  const script = `
    podman ps --all --format '{{.Names}}'; podman network ls --format '{{.Name}}'
    podman volume ls --format '{{.Name}}'; podman secret ls --format '{{.Name}}'
    ls ~/.config/containers/systemd ~/.config/agentcage/deployments ~/.local/state/agentcage/cages
    systemctl --user list-units --all --plain --no-legend | cut -d ' ' -f 1`
  const found = await asUser('bash', '-c', script)
  return found
    .split('\n')
    .filter((line) => line.includes(name))
    .join('\n')
}
