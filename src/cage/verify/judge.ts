import type { Outcome } from './operation.ts'

export interface Judgement {
  readonly status: 'pass' | 'fail' | 'warn'
  readonly text: string
}

/** What an outcome says of the cage. */
export type Judge = (outcome: Outcome) => Judgement

const pass = (text: string): Judgement => ({ status: 'pass', text })
const fail = (text: string): Judgement => ({ status: 'fail', text })
const warn = (text: string): Judgement => ({ status: 'warn', text })

const DENIAL = /"blocked":\s*true,.*"by":\s*"agentcage"/s

/** A host of the list. That its own server does not answer is not the cage's fault, and said. */
export function hostIsReached(host: string): Judge {
  return ({ ok, data, error }) => {
    if (!ok) return fail(`Allowed domain (${host}): the proxy cannot be reached (${error})`)
    const status = statusOf(data)
    if (data === '') return fail(`Allowed domain (${host}): no answer (${error || 'closed'})`)
    if (status === '000' || DENIAL.test(data)) return fail(`Allowed domain (${host}) is denied (HTTP ${status})`)
    if (data.includes('"by":"agentcage"'))
      return warn(`Allowed domain (${host}) is allowed, but does not answer (HTTP ${status})`)
    return pass(`Allowed domain (${host}) is reachable (HTTP ${status})`)
  }
}

export function hostIsDenied(host: string): Judge {
  return ({ ok, data, error }) => {
    if (!ok) return fail(`Blocked domain (${host}): the proxy cannot be reached (${error})`)
    const status = statusOf(data)
    if (DENIAL.test(data)) return pass(`Blocked domain (${host}) is denied (HTTP ${status})`)
    return fail(`Blocked domain returned HTTP ${status} — egress filtering may be broken`)
  }
}

/** How the kernel says that there is no way. Whatever else went wrong proves nothing. */
const SHUT: ReadonlySet<string> = new Set([
  '',
  'timeout',
  'EACCES',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'EPERM',
  'EPIPE',
  'ETIMEDOUT',
])
const HIDDEN: ReadonlySet<string> = new Set(['EACCES', 'ELOOP', 'ENOENT', 'ENOTDIR', 'EPERM'])

/** Nothing answers, or the egress does, and says no. */
export function connectionIsShut(what: string): Judge {
  return ({ ok, data, error }) => {
    if (data === '' && !SHUT.has(error)) return fail(`${what}: cannot tell (${error})`)
    if (data === '') return pass(`${what} leads nowhere (${ok ? 'no answer' : error})`)
    if (DENIAL.test(data)) return pass(`${what} leads to the egress and is denied (HTTP ${statusOf(data)})`)
    return fail(`${what} got an answer from outside`)
  }
}

/** RFC 5737, what the egress answers for names that are not allowed. */
const NOWHERE = Buffer.from([198, 51, 100, 1])

export function dnsLeadsNowhere(resolver: string): Judge {
  return ({ data, error }) => {
    if (data === '' && !SHUT.has(error)) return fail(`DNS at ${resolver}: cannot tell (${error})`)
    if (data === '') return pass(`DNS at ${resolver} does not answer (${error || 'no answer'})`)
    const answer = Buffer.from(data, 'base64')
    const code = (answer[3] ?? 0) & 0x0f
    const answers = answer.length > 7 ? answer.readUInt16BE(6) : 0
    if (answers === 1 && answer.subarray(-4).equals(NOWHERE))
      return pass(`DNS at ${resolver} is answered by the egress`)
    // REFUSED is the egress's own; NXDOMAIN would be the word of the name's server, so that the question got out.
    if (answers === 0 && code === 5) return pass(`DNS at ${resolver} is refused by the egress`)
    return fail(`DNS at ${resolver} answers by itself: questions get out`)
  }
}

export function pathIsUnreadable(what: string): Judge {
  return ({ ok, error }) => {
    if (ok) return fail(`${what} can be read`)
    return HIDDEN.has(error) ? pass(`${what} cannot be read (${error})`) : fail(`${what}: cannot tell (${error})`)
  }
}

export function filesAreNone(text: string): Judge {
  return ({ ok, data, error }) => {
    if (!ok) return fail(`${text}: could not look (${error})`)
    return data === '' ? pass(text) : fail(`A private key lies in the cage: ${data.split('\n').join(', ')}`)
  }
}

export function variableIsSet(name: string): Judge {
  return ({ data }) => (data === name ? pass(`${name} is set`) : fail(`${name} is NOT set`))
}

export function rootIsReadOnly({ ok, data, error }: Outcome): Judgement {
  const options = rootMount(data)?.[5]
  if (!ok || options === undefined) return fail(`Root file system: cannot tell (${error || 'no mount'})`)
  return options.split(',').includes('ro')
    ? pass('Root file system is read-only')
    : fail('Root file system is NOT read-only')
}

/** A machine's root takes what is written in a layer of the machine's own. */
export function rootIsLayered({ ok, data, error }: Outcome): Judgement {
  const mount = rootMount(data)
  if (!ok || mount === undefined) return fail(`Root file system: cannot tell (${error || 'no mount'})`)
  const [type, , options = ''] = mount.slice(mount.indexOf('-') + 1)
  return type === 'overlay' && options.split(',').includes('upperdir=/scratch/upper')
    ? pass('What is written to the root file system stays in the machine')
    : fail('The root file system is NOT a layer of the machine’s own')
}

/** proc(5): `ID PARENT MAJOR:MINOR ROOT PLACE OPTIONS … - TYPE SOURCE OPTIONS`; of several at one place the last counts. */
function rootMount(mountinfo: string): readonly string[] | undefined {
  return mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .findLast(([, , , , place]) => place === '/')
}

/** Two kernels never have the same boot's number. */
export function kernelIsItsOwn(host: string): Judge {
  return ({ ok, data, error }) => {
    const own = data.trim()
    if (!ok || !/^[0-9a-f-]{36}$/.test(own) || host === '') return fail(`Kernel: cannot tell (${error || 'no number'})`)
    return own === host
      ? fail('The kernel is the host’s')
      : pass('Has a kernel of its own: capabilities count in the machine only')
  }
}

export function hasNoCapabilities({ ok, data, error }: Outcome): Judgement {
  if (!ok) return fail(`Capabilities: cannot tell (${error})`)
  const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']
  const held = sets.filter((name) => !/^0+$/.test(fieldOf(data, name)))
  if (held.length > 0)
    return fail(`Capabilities are held: ${held.map((name) => `${name} ${fieldOf(data, name)}`).join(', ')}`)
  return fieldOf(data, 'NoNewPrivs') === '1'
    ? pass('No capabilities, and none can be gained')
    : fail('Capabilities can be gained: NoNewPrivs is off')
}

/** `of`: what its user 0 is the root of. */
export function isUnprivileged(of: string): Judge {
  return ({ ok, data, error }) => {
    if (!ok) return fail(`User: cannot tell (${error})`)
    const uid = fieldOf(data, 'Uid').split(/\s+/)[0] ?? ''
    if (uid === '') return fail('User: cannot tell')
    return uid === '0' ? warn(`Runs as user 0 of ${of}`) : pass(`Runs as user ${uid}`)
  }
}

function fieldOf(status: string, name: string): string {
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1]?.trim() ?? ''
}

function statusOf(data: string): string {
  return /^HTTP\/1\.[01] (\d{3})/.exec(data)?.[1] ?? '000'
}
