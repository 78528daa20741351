import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../../config/schema.ts'
import type { Deployment } from '../deployment.ts'
import {
  connectionIsShut,
  dnsLeadsNowhere,
  filesAreNone,
  hasNoCapabilities,
  hostIsDenied,
  hostIsReached,
  isUnprivileged,
  kernelIsItsOwn,
  pathIsUnreadable,
  rootIsLayered,
  rootIsReadOnly,
  variableIsSet,
  type Judge,
} from './judge.ts'
import type { Operation } from './operation.ts'

/** One thing that must hold in a cage: what to do inside, and how to tell from what came of it. */
export interface Probe {
  readonly section: 'CA Certificate' | 'Proxy Configuration' | 'Egress Filtering' | 'Confinement'
  readonly operation: Operation
  readonly judge: Judge
}

const EVIL = 'evil-exfil-server.io'
/** Reachable from wherever there is a way out: what answers nobody would prove nothing. */
const PUBLIC = { ipv4: '1.1.1.1', ipv6: '2606:4700:4700::1111', resolver: '9.9.9.9', gateway: '192.168.1.1' }
const OTHER_PORTS = [22, 8443, 853, 5222] as const

/** Everything that is proven of a cage, whatever isolates it. */
export function probesOf(
  deployment: Pick<Deployment, 'config' | 'stateFolder' | 'folder' | 'record'>,
): readonly Probe[] {
  return [
    ...certificateProbes(deployment),
    ...proxyProbes(),
    ...egressProbes(deployment.config, deployment.record.network?.gateway),
    ...(deployment.record.isolation === 'microvm' ? machineProbes() : confinementProbes()),
  ]
}

function certificateProbes({ stateFolder, folder }: Pick<Deployment, 'stateFolder' | 'folder'>): readonly Probe[] {
  const section = 'CA Certificate'
  const key = join(stateFolder, 'ca/ca-key.pem')
  return [
    { section, operation: { kind: 'text', id: 'ca-key', path: key }, judge: pathIsUnreadable('The CA key') },
    ...['/certs', '/run/agentcage'].map((path): Probe => {
      const operation: Operation = { kind: 'find', id: `ca-key-in ${path}`, path, text: 'PRIVATE KEY-----' }
      return { section, operation, judge: filesAreNone(`No private key lies in ${path}`) }
    }),
    {
      section,
      operation: { kind: 'text', id: 'record', path: join(folder, 'deployment.json') },
      judge: pathIsUnreadable("agentcage's own files"),
    },
  ]
}

function proxyProbes(): readonly Probe[] {
  return ['HTTP_PROXY', 'HTTPS_PROXY'].map((name) => ({
    section: 'Proxy Configuration',
    operation: { kind: 'env', id: name, names: [name] },
    judge: variableIsSet(name),
  }))
}

function egressProbes(config: Config, gateway = PUBLIC.gateway): readonly Probe[] {
  const section = 'Egress Filtering'
  const { mode, list } = config.domains ?? { mode: 'allowlist', list: [] }
  const now = Date.now()
  const listed = list.find(({ methods, paths, ports, expires }) => {
    const isPlain = methods === undefined && paths === undefined && (ports?.includes(80) ?? true)
    return isPlain && (expires === undefined || expires.getTime() > now)
  })?.host
  const denied = mode === 'allowlist' ? EVIL : listed
  const allowed = mode === 'allowlist' ? listed : undefined
  return [
    ...(allowed === undefined
      ? []
      : [{ section, operation: request('allowed', allowed), judge: hostIsReached(allowed) } as const]),
    ...(denied === undefined
      ? []
      : [{ section, operation: request('denied', denied), judge: hostIsDenied(denied) } as const]),
    { section, operation: direct('direct', PUBLIC.ipv4, 80), judge: connectionIsShut('An address dialled directly') },
    { section, operation: direct('ipv6', PUBLIC.ipv6, 80), judge: connectionIsShut('An IPv6 address') },
    ...otherPort(config),
    {
      section,
      operation: { kind: 'udp', id: 'udp', host: PUBLIC.ipv4, port: 123, send: NTP_QUESTION },
      judge: connectionIsShut('UDP'),
    },
    { section, operation: foreignDns(), judge: dnsLeadsNowhere(PUBLIC.resolver) },
    { section, operation: direct('gateway', gateway, 22), judge: connectionIsShut('The gateway') },
  ]
}

function request(id: string, host: string): Operation {
  const name = host.includes(':') ? `[${host}]` : host
  const head = `GET http://${name}/ HTTP/1.1\r\nHost: ${name}\r\nUser-Agent: agentcage-verify\r\nConnection: close\r\n\r\n`
  return { kind: 'tcp', id, host, port: 80, send: head, proxied: true }
}

/** What a server that is reached answers, and a connection to it is told from one to the egress by. */
function direct(id: string, host: string, port: number): Operation {
  const name = host.includes(':') ? `[${host}]` : host
  return { kind: 'tcp', id, host, port, send: `GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n` }
}

function otherPort(config: Config): readonly Probe[] {
  const captured = new Set([
    ...config.ports.tcp.allow,
    ...(config.domains?.list.flatMap(({ ports }) => ports ?? []) ?? []),
  ])
  const port = OTHER_PORTS.find((candidate) => !captured.has(candidate))
  if (port === undefined) return []
  return [
    {
      section: 'Egress Filtering',
      operation: direct('other-port', PUBLIC.ipv4, port),
      judge: connectionIsShut(`Port ${port}`),
    },
  ]
}

/** RFC 5905: version 4, client. */
const NTP_QUESTION = Buffer.concat([Buffer.from([0x23]), Buffer.alloc(47)]).toString('base64')

/** A question that nobody asked before: an answer from elsewhere than the egress would have to come from its server. */
function foreignDns(): Operation {
  const labels = [`v${randomBytes(6).toString('hex')}`, ...EVIL.split('.')]
  const name = Buffer.concat(labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)])))
  const head = Buffer.from([0x2a, 0x2a, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0])
  const send = Buffer.concat([head, name, Buffer.from([0, 0, 1, 0, 1])]).toString('base64')
  return { kind: 'udp', id: 'dns', host: PUBLIC.resolver, port: 53, send }
}

function confinementProbes(): readonly Probe[] {
  const section = 'Confinement'
  return [
    { section, operation: { kind: 'text', id: 'mounts', path: '/proc/self/mountinfo' }, judge: rootIsReadOnly },
    { section, operation: { kind: 'text', id: 'capabilities', path: '/proc/self/status' }, judge: hasNoCapabilities },
    {
      section,
      operation: { kind: 'text', id: 'user', path: '/proc/self/status' },
      judge: isUnprivileged('its own user namespace'),
    },
  ]
}

const BOOT = '/proc/sys/kernel/random/boot_id'

/** What confines a workload in a machine is around the machine, where it cannot look. */
function machineProbes(): readonly Probe[] {
  const section = 'Confinement'
  const host = readFileSync(BOOT, 'latin1').trim()
  return [
    { section, operation: { kind: 'text', id: 'mounts', path: '/proc/self/mountinfo' }, judge: rootIsLayered },
    { section, operation: { kind: 'text', id: 'kernel', path: BOOT }, judge: kernelIsItsOwn(host) },
    {
      section,
      operation: { kind: 'text', id: 'user', path: '/proc/self/status' },
      judge: isUnprivileged('its own machine'),
    },
  ]
}
