import type { Config } from '../../config/schema.ts'
import { expandVariables } from '../../isolation/process/variables.ts'
import type { Deployment } from '../deployment.ts'

/** `container.env` without what needs a placeholder: that is in the workload's file. Unset variables become nothing. */
export function plainEnvironment({
  config,
  record,
}: Pick<Deployment, 'config' | 'record'>): Readonly<Record<string, string>> {
  const plain = Object.entries(config.container.env).filter(([, template]) => !usesSecret(config, template))
  const lookUp = (name: string): string | undefined => record.environment[name]
  return Object.fromEntries(plain.map(([name, template]) => [name, expandVariables(template, lookUp).text]))
}

/** Whether a value is made of a placeholder. */
export function usesSecret({ secret_injection: rules }: Config, template: string): boolean {
  let used = false
  expandVariables(template, (name) => {
    used ||= rules.some(({ env }) => env === name)
    return ''
  })
  return used
}

/** Names in `container.env` that had no value when the cage was made. */
export function unsetVariables({ config, record }: Pick<Deployment, 'config' | 'record'>): readonly string[] {
  const known = new Set([...Object.keys(record.environment), ...config.secret_injection.map(({ env }) => env)])
  return Object.entries(config.container.env).flatMap(([key, template]) =>
    expandVariables(template, (name) => (known.has(name) ? '' : undefined)).unset.map(
      (name) => `env var reference \${${name}} is unset (key: ${key})`,
    ),
  )
}
