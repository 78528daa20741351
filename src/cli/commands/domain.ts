import { changeConfig } from '../../cage/change.ts'
import { loadDeployment } from '../../cage/deployment.ts'
import { addHost, removeHost } from '../../config/edit.ts'
import type { DomainRule } from '../../config/schema.ts'
import { CageError } from '../../errors.ts'
import type { Hostname } from '../../policy/host.ts'
import { hostArgument } from '../arguments.ts'
import type { Io } from '../io.ts'
import { printChange } from '../render/change.ts'
import type { DomainAddFlags, DomainListFlags } from '../routes/domain.ts'

export async function domainList(flags: DomainListFlags, [name]: readonly [string], io: Io): Promise<number> {
  const { config } = await loadDeployment(name, io.env)
  const { mode, list } = config.domains ?? { mode: 'allowlist', list: [] }
  const rules = list.toSorted((a, b) => (a.host < b.host ? -1 : a.host > b.host ? 1 : 0))
  if (flags.json) io.stdout.write(`${JSON.stringify({ mode, list: rules }, null, 2)}\n`)
  else io.stdout.write(`Mode: ${mode}\n${rules.map((rule) => `${ruleText(rule)}\n`).join('')}`)
  return 0
}

export async function domainAdd(flags: DomainAddFlags, args: readonly string[], io: Io): Promise<number> {
  const { name, hosts } = namesOf(args)
  const expires = flags.expiresIn === undefined ? undefined : new Date(Date.now() + flags.expiresIn)
  let mode = 'allowlist'
  const added: Hostname[] = []
  const change = await changeConfig(name, io.env, (text, { config }) => {
    mode = config.domains?.mode ?? mode
    return hosts.reduce((current, host) => {
      const edited = addHost(current, { host, expires })
      if (edited.changed) added.push(host)
      return edited.text
    }, text)
  })
  for (const host of hosts.filter((one) => !added.includes(one)))
    io.stdout.write(`'${host}' is already in cage '${name}'.\n`)
  if (!change.changed) return 0
  const where = mode === 'blocklist' ? `the blocklist of cage '${name}'` : `cage '${name}'`
  const until = expires === undefined ? '' : ` until ${expires.toISOString().slice(0, 19)}Z`
  printChange(change, { what: `Added ${quoted(added)} to ${where}${until}.`, name, io })
  return 0
}

export async function domainRm(_flags: object, args: readonly string[], io: Io): Promise<number> {
  const { name, hosts } = namesOf(args)
  const change = await changeConfig(name, io.env, (text) =>
    hosts.reduce((current, host) => {
      const edited = removeHost(current, host)
      if (edited.changed) return edited.text
      throw new CageError('domain_unknown', `'${host}' is not in cage '${name}'`)
    }, text),
  )
  printChange(change, { what: `Removed ${quoted(hosts)} from cage '${name}'.`, name, io })
  return 0
}

function namesOf([name = '', ...texts]: readonly string[]): {
  readonly name: string
  readonly hosts: readonly Hostname[]
} {
  const hosts = texts.map((text) => {
    try {
      return hostArgument(text)
    } catch (error) {
      throw new CageError('usage', `HOST: ${error instanceof Error ? error.message : String(error)}`)
    }
  })
  return { name, hosts: [...new Set(hosts)] }
}

function quoted(hosts: readonly Hostname[]): string {
  return hosts.map((host) => `'${host}'`).join(', ')
}

function ruleText({ host, ports, methods, paths, expires }: DomainRule): string {
  const conditions = [
    ...(ports === undefined ? [] : [`ports ${ports.join(', ')}`]),
    ...(methods === undefined ? [] : [methods.join(', ')]),
    ...(paths === undefined ? [] : paths),
    ...(expires === undefined
      ? []
      : [`${expires.getTime() < Date.now() ? 'ended' : 'until'} ${expires.toISOString().slice(0, 19)}Z`]),
  ]
  return conditions.length === 0 ? host : `${host}  (${conditions.join('; ')})`
}
