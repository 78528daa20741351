import { formatAuthority, parseAuthority } from '../policy/host.ts'
import { builtInInspector } from './inspectors.ts'
import { formatPath, quote, type Problem } from './problem.ts'
import type { Config, SecretRule } from './schema.ts'
import { containerProblems } from './rules-container.ts'
import type { YamlText } from './yaml.ts'

/** What the schema cannot say: how values of one configuration go together. */
export function ruleProblems(config: Config, yaml: YamlText): Problem[] {
  return [
    ...repeatedSecrets(config.secret_injection, yaml),
    ...repeatedVariables(config.secret_injection, yaml),
    ...uselessPlaces(config.secret_injection, yaml),
    ...overlappingPlaceholders(config.secret_injection, yaml),
    ...givenFormats(config.secret_injection, yaml),
    ...repeatedTargets(config, yaml),
    ...changedNumbers(config, yaml),
    ...twoMachines(config, yaml),
    ...containerProblems(config, yaml),
    ...inspectorProblems(config, yaml),
  ]
}

function repeatedSecrets(rules: readonly SecretRule[], yaml: YamlText): Problem[] {
  return rules.flatMap((rule, index) => {
    const first = rules.findIndex(({ env }) => env === rule.env)
    if (first === index) return []
    const path = ['secret_injection', index, 'env']
    return [
      yaml.problemAt(
        path,
        'value',
        `${formatPath(path)} ${quote(rule.env)} is already the secret of secret_injection[${first}]`,
      ),
    ]
  })
}

/** Decoy keys of one rule and what another has for the workload would be in one variable. */
function repeatedVariables(rules: readonly SecretRule[], yaml: YamlText): Problem[] {
  const owners = new Map<string, number>()
  for (const [index, rule] of rules.entries()) {
    if (rule.transform !== 'aws-sigv4' && !owners.has(rule.env)) owners.set(rule.env, index)
  }
  return rules.flatMap((rule, index) => {
    if (rule.transform !== 'aws-sigv4') return []
    return (['access_key_id_env', 'secret_access_key_env'] as const).flatMap((key) => {
      const name = rule.transform_config[key]
      const owner = owners.get(name)
      owners.set(name, owner ?? index)
      if (owner === undefined) return []
      const path = ['secret_injection', index, 'transform_config', key]
      const message = `${formatPath(path)} ${quote(name)} is already a variable of secret_injection[${owner}]`
      return [yaml.problemAt(path, 'value', message)]
    })
  })
}

/** A transform that signs writes the request itself: nothing is put in elsewhere. */
function uselessPlaces(rules: readonly SecretRule[], yaml: YamlText): Problem[] {
  return rules.flatMap((rule, index) => {
    if (rule.transform !== 'aws-sigv4' && rule.transform !== 'hmac') return []
    const keys = [
      ...(rule.inject_body ? ['inject_body'] : []),
      ...(rule.inject_headers.length > 0 ? ['inject_headers'] : []),
    ]
    return keys.map((key) => {
      const path = ['secret_injection', index, key]
      return yaml.problemAt(path, 'key', `${formatPath(path)} says nothing for ${rule.transform}, which signs requests`)
    })
  })
}

/**
 * A placeholder inside another would be replaced in it: the workload could write one secret's placeholder
 * and have the other secret sent.
 */
function overlappingPlaceholders(rules: readonly SecretRule[], yaml: YamlText): Problem[] {
  const placeholders = rules.map(({ env, placeholder }) => placeholder ?? `agentcage:secret:${env}:`)
  return rules.flatMap((rule, index) => {
    const own = rule.placeholder
    const other = placeholders.findIndex(
      (text, at) => at !== index && own !== undefined && text.includes(own) && (text !== own || at < index),
    )
    if (other === -1) return []
    const path = ['secret_injection', index, 'placeholder']
    const how = placeholders[other] === own ? 'is the same as' : 'is contained in'
    return [yaml.problemAt(path, 'value', `${formatPath(path)} ${how} the placeholder of secret_injection[${other}]`)]
  })
}

/** A placeholder is either given or made. */
function givenFormats(rules: readonly SecretRule[], yaml: YamlText): Problem[] {
  return rules.flatMap(({ placeholder, format }, index) => {
    if (placeholder === undefined || format === undefined) return []
    const path = ['secret_injection', index, 'format']
    return [
      yaml.problemAt(
        path,
        'key',
        `${formatPath(path)} is for placeholders that are generated; leave out one of the two`,
      ),
    ]
  })
}

/** `API.test:443` and `api.test:443` are one destination: which target would count is chance. */
function repeatedTargets(config: Config, yaml: YamlText): Problem[] {
  const seen = new Map<string, string>()
  return Object.keys(config.upstream.connect_to).flatMap((key) => {
    const authority = parseAuthority(key)
    const normal = authority === undefined ? key : formatAuthority(authority)
    const first = seen.get(normal)
    if (first === undefined) {
      seen.set(normal, key)
      return []
    }
    const path = ['upstream', 'connect_to', key]
    return [
      yaml.problemAt(path, 'key', `upstream.connect_to: ${quote(key)} is the same destination as ${quote(first)}`),
    ]
  })
}

/** An entry is a file and a name of its own; what is built in has a section of its own. */
function inspectorProblems({ inspectors }: Config, yaml: YamlText): Problem[] {
  return inspectors.flatMap(({ name, path: file }, index) => {
    const path = ['inspectors', index, 'name']
    const builtIn = builtInInspector(name)
    if (builtIn !== undefined) {
      const message = `${formatPath(path)} ${quote(name)} is built in; its settings are in ${builtIn.section}`
      return [yaml.problemAt(path, 'value', message)]
    }
    const first = inspectors.findIndex((entry) => entry.name === name)
    if (first !== index)
      return [yaml.problemAt(path, 'value', `${formatPath(path)} ${quote(name)} is already inspectors[${first}]`)]
    if (file !== undefined) return []
    return [
      yaml.problemAt(path, 'value', `inspectors[${index}] has no path, and no inspector ${quote(name)} is built in`),
    ]
  })
}

/** `VERSION: 1.10` is the number 1.1 in YAML, and would reach the workload as such. */
function changedNumbers(config: Config, yaml: YamlText): Problem[] {
  return Object.entries(config.container.env).flatMap(([name, text]) => {
    const path = ['container', 'env', name]
    const source = yaml.plainSourceAt(path)
    if (source === undefined || source === text) return []
    return [
      yaml.problemAt(path, 'value', `${formatPath(path)} would become ${quote(text)}; write "${source}" in quotes`),
    ]
  })
}

/** `firecracker` is the original's name for the section. */
function twoMachines(config: Config, yaml: YamlText): Problem[] {
  if (config.microvm === undefined || config.firecracker === undefined) return []
  return [yaml.problemAt(['firecracker'], 'key', 'firecracker is another name for microvm; write one of them')]
}
