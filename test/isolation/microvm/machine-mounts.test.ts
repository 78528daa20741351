/*
 * What the VMM's cage mounts. The workload's tree lies in it a level down, with every mask and read-only place of it; of
 * the VMM's own side, /proc above all, nothing lies in that tree.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mount } from '../../../src/isolation/isolation.ts'
import {
  boundPlaces,
  emptyFolders,
  overImage,
  machineMounts,
  writablePlaces,
} from '../../../src/isolation/microvm/machine-mounts.ts'

const WORKLOAD: readonly Mount[] = [
  { kind: 'bind', source: '/usr', target: '/usr', writable: false },
  { kind: 'bind', source: '/etc', target: '/etc', writable: false },
  { kind: 'symlink', target: '/bin', to: 'usr/bin' },
  { kind: 'proc', target: '/proc' },
  { kind: 'mask', target: '/proc/kcore', over: 'file' },
  { kind: 'dev', target: '/dev' },
  { kind: 'bind', source: '/sys/devices/system/cpu', target: '/sys/devices/system/cpu', writable: false },
  { kind: 'tmpfs', target: '/dev/shm', mode: 0o1777 },
  { kind: 'tmpfs', target: '/var', sizeBytes: 1 << 30, mode: 0o755 },
  { kind: 'symlink', target: '/var/run', to: '/run' },
  { kind: 'tmpfs', target: '/home/person', sizeBytes: 1 << 30, mode: 0o700 },
  { kind: 'mask', target: '/etc/ssl/private', over: 'directory' },
  { kind: 'bind', source: '/home/person/project', target: '/home/person/project', writable: true },
  {
    kind: 'bind',
    source: '/home/person/project/.git/hooks',
    target: '/home/person/project/.git/hooks',
    writable: false,
  },
  { kind: 'bind', source: '/home/person/project/out', target: '/home/person/project/out', writable: true },
  { kind: 'bind', source: '/data', target: '/data', writable: true },
]

const mounts = machineMounts({ workload: WORKLOAD, folder: '/scratch/m', kernel: '/cache/k', devices: ['/dev/kvm'] })
const guest = mounts.filter(({ target }) => target.startsWith('/guest'))

test('all that the workload sees of files lies below /guest, in its order, with its protection', () => {
  const files = WORKLOAD.filter(({ target }) => !/^\/(?:proc|dev|sys)/.test(target))
  assert.deepEqual(
    guest.map(({ kind, target }) => ({ kind, target })),
    files.map(({ kind, target }) => ({ kind, target: `/guest${target}` })),
  )
  for (const [index, mount] of guest.entries())
    if (mount.kind === 'bind') assert.equal(mount.writable, (files[index] as typeof mount).writable)
})

test('nothing of /proc, /dev or /sys lies in the guest’s tree: the VMM’s memory is there', () => {
  assert.deepEqual(
    guest.filter(({ target }) => /^\/guest\/(?:proc|dev|sys)/.test(target)),
    [],
  )
})

test('what gives only place is small and read-only: the guest cannot fill the host’s memory', () => {
  const places = guest.filter((mount) => mount.kind === 'tmpfs')
  assert.equal(places.length, 2)
  assert.ok(places.every(({ sealed, sizeBytes = Infinity }) => sealed === true && sizeBytes <= 1 << 20))
})

test('a link in the guest’s tree stays in it', () => {
  const links = guest.flatMap((mount) => (mount.kind === 'symlink' ? [[mount.target, mount.to]] : []))
  assert.deepEqual(links, [
    ['/guest/bin', 'usr/bin'],
    ['/guest/var/run', '../run'],
  ])
})

test('outside of the guest’s tree nothing is writable, and of the host there is what runs a VMM', () => {
  const own = mounts.filter((mount) => !guest.includes(mount))
  assert.deepEqual(
    own.map(({ target }) => target),
    ['/usr', '/bin', '/proc', '/proc/kcore', '/dev', '/dev/kvm', '/tmp', '/machine', '/machine/kernel'],
  )
  assert.ok(own.every((mount) => mount.kind !== 'bind' || !mount.writable))
})

test('places to write to are named once, without those inside of others', () => {
  assert.deepEqual(writablePlaces(WORKLOAD), ['/home/person/project', '/data'])
})

test('over an image lies what was made for the workload, and nothing of the host’s system', () => {
  const project = '/opt/project'
  const workload: readonly Mount[] = [
    { kind: 'bind', source: '/usr', target: '/usr', writable: false },
    { kind: 'bind', source: '/etc', target: '/etc', writable: false },
    { kind: 'bind', source: '/opt', target: '/opt', writable: false },
    { kind: 'symlink', target: '/bin', to: 'usr/bin' },
    { kind: 'tmpfs', target: '/home/person' },
    { kind: 'tmpfs', target: '/dev/shm' },
    { kind: 'mask', target: '/etc/shadow', over: 'file' },
    { kind: 'bind', source: project, target: project, writable: true },
    { kind: 'bind', source: `${project}/.claude`, target: `${project}/.claude`, writable: false },
    { kind: 'mask', target: `${project}/.git/hooks`, over: 'directory' },
    { kind: 'bind', source: '/scratch/resolv.conf', target: '/etc/resolv.conf', writable: false },
  ]
  const over = overImage(workload)
  assert.deepEqual(
    over.map(({ target }) => target),
    ['/home/person', '/dev/shm', project, `${project}/.claude`, `${project}/.git/hooks`, '/etc/resolv.conf'],
  )
  assert.deepEqual(boundPlaces(over), [project, '/etc/resolv.conf'])
  assert.deepEqual(emptyFolders(over), ['/home/person'])
})
