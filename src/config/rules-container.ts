import { parsePort } from '../policy/published-port.ts'
import { isolationOf } from './isolation.ts'
import { formatPath, quote, type Problem } from './problem.ts'
import { CONTAINER_ONLY } from './schema-podman.ts'
import type { Config } from './schema.ts'
import type { YamlText } from './yaml.ts'

/** How the keys of `container` go together with the isolation and with each other. */
export function containerProblems(config: Config, yaml: YamlText): Problem[] {
  return [
    ...(isolationOf(config) === 'container' ? missingImage(config, yaml) : meaningless(config, yaml)),
    ...repeatedPorts(config, yaml),
    ...revealedSecrets(config, yaml),
  ]
}

/** What holds without a container whatever the file says. Passing over the key would promise something else. */
const WITHOUT_CONTAINER: Readonly<Record<string, string>> = {
  named_volumes: 'use volumes',
  tmpfs: '/tmp, /run and the home folder are always in memory',
  ports: 'nothing inside can be reached from outside',
  podman_secrets: 'use secret_injection',
  user: 'the workload runs as the user who starts it',
  cpus: 'there is no limit on processor time',
  read_only: 'it is always on',
  no_new_privileges: 'it is always on',
  security_label_disable: 'there are no security labels',
  drop_capabilities: 'the workload never has capabilities',
  add_capabilities: 'the workload never has capabilities',
}

function meaningless(config: Config, yaml: YamlText): Problem[] {
  const section = sectionOf(yaml)
  return CONTAINER_ONLY.filter((key) => Object.hasOwn(section, key)).map((key) => {
    const path = ['container', key]
    return yaml.problemAt(
      path,
      'key',
      `${formatPath(path)} has no meaning with isolation: ${isolationOf(config)}: ${WITHOUT_CONTAINER[key]}`,
    )
  })
}

function sectionOf(yaml: YamlText): object {
  const value = yaml.value
  if (typeof value !== 'object' || value === null || !('container' in value)) return {}
  return typeof value.container === 'object' && value.container !== null ? value.container : {}
}

function missingImage(config: Config, yaml: YamlText): Problem[] {
  if (config.container.image !== undefined) return []
  return [yaml.problemAt(['container'], 'key', 'container.image is required in config')]
}

function repeatedPorts({ container }: Config, yaml: YamlText): Problem[] {
  const ports = container.ports.map(parsePort)
  return ports.flatMap((port, index) => {
    const first = ports.findIndex((other) => other?.outside === port?.outside && other?.bind === port?.bind)
    if (first === index) return []
    const path = ['container', 'ports', index]
    const free = (port?.outside ?? 0) + 1
    return [
      yaml.problemAt(
        path,
        'value',
        `${formatPath(path)} takes the same port as container.ports[${first}]; ${free} may be free`,
      ),
    ]
  })
}

/** The workload gets a placeholder for what is injected; with the value beside it that would be for nothing. */
function revealedSecrets({ container, secret_injection: rules }: Config, yaml: YamlText): Problem[] {
  return container.podman_secrets.flatMap((name, index) => {
    if (!rules.some(({ env }) => env === name)) return []
    const path = ['container', 'podman_secrets', index]
    return [
      yaml.problemAt(
        path,
        'value',
        `${formatPath(path)} ${quote(name)} is in secret_injection too: the workload would hold its value`,
      ),
    ]
  })
}
