import { join } from 'node:path'
import { readGitIdentity } from './git-config.ts'
import type { HostFacts } from './host.ts'
import { realPath } from './paths.ts'
import { smallFile } from './repositories.ts'

/** A file that the plan needs on the host; it is laid over something in the cage, or read from its place. */
export interface GeneratedFile {
  readonly name: string
  readonly content: string
}

/** The same in every cage, so that it identifies none. */
const MACHINE_ID = '00000000a9e1ca9ea9e1ca9ea9e1ca9e'

/** Files of /etc that are replaced, by the path they replace. */
export function replacedFiles(nameserver: string): ReadonlyMap<string, GeneratedFile> {
  return new Map([
    ['/etc/resolv.conf', { name: 'resolv.conf', content: `nameserver ${nameserver}\n` }],
    [
      '/etc/hosts',
      { name: 'hosts', content: '127.0.0.1 localhost agentcage\n::1 localhost ip6-localhost ip6-loopback\n' },
    ],
    ['/etc/hostname', { name: 'hostname', content: 'agentcage\n' }],
    ['/etc/machine-id', { name: 'machine-id', content: `${MACHINE_ID}\n` }],
  ])
}

/**
 * What git reads where the host has /etc/gitconfig: that file, who commits, and which of the project's files are
 * stand-ins. As the system's configuration it gives way to the project's.
 */
export function gitConfiguration(host: HostFacts, excludesFile: string): string {
  const identity = gitIdentity(host).map(([key, value]) => `\t${key} = ${quote(value)}\n`)
  const user = identity.length === 0 ? '' : `[user]\n${identity.join('')}`
  return `[include]\n\tpath = /etc/gitconfig\n[core]\n\texcludesFile = ${quote(excludesFile)}\n${user}`
}

/** Name and address that the person commits under: they are in every commit anyway. */
function gitIdentity({ environment, home }: HostFacts): readonly (readonly [string, string])[] {
  const folder = environment['XDG_CONFIG_HOME'] ?? join(home, '.config')
  const [general, own] = [join(folder, 'git/config'), join(home, '.gitconfig')].map((path) =>
    readGitIdentity(smallFile(realPath(path) ?? path) ?? ''),
  )
  const name = own?.name ?? general?.name
  const email = own?.email ?? general?.email
  return [
    ...(name === undefined ? [] : [['name', name] as const]),
    ...(email === undefined ? [] : [['email', email] as const]),
  ]
}

function quote(value: string): string {
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
