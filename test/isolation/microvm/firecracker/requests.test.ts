/*
 * What Firecracker is asked for, field by field as its published API description has it: nothing that it does not know,
 * nothing missing, nothing out of bounds, and the start of the machine last.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  firecrackerRequests,
  type ApiRequest,
  type FirecrackerMachine,
} from '../../../../src/isolation/microvm/firecracker/requests.ts'
import { API_FIELDS, type ApiField } from './api-fields.ts'

const MACHINE: FirecrackerMachine = {
  kernel: '/machine/kernel',
  initramfs: '/machine/initramfs',
  vcpus: 2,
  memoryMebibytes: 2048,
  image: '/machine/image',
  files: '/machine/files',
  scratch: '/machine/scratch',
  vsock: '/machine/own/vsock',
}

test('every field of every request is one of the description’s, and none that it requires is missing', () => {
  for (const vcpus of [1, 2, 32]) {
    for (const request of firecrackerRequests({ ...MACHINE, vcpus })) assertDescribed(request)
  }
})

test('the id in a path is the one in its body', () => {
  const named = firecrackerRequests(MACHINE).filter(({ path }) => /^\/(?:drives|network-interfaces)\//.test(path))
  assert.deepEqual(
    named.map(({ path }) => path.split('/').at(-1)),
    named.map(({ body }) => body['drive_id'] ?? body['iface_id']),
  )
})

test('disks come in the order in which the guest names them, and only the image is read-only', () => {
  const drives = firecrackerRequests(MACHINE).filter(({ path }) => path.startsWith('/drives/'))
  assert.deepEqual(
    drives.map(({ body }) => [body['path_on_host'], body['is_read_only']]),
    [
      ['/machine/image', true],
      ['/machine/files', false],
      ['/machine/scratch', false],
    ],
  )
})

test('a machine without a disk of its own has two drives; its start is asked for once, and last', () => {
  const paths = firecrackerRequests({ ...MACHINE, scratch: undefined }).map(({ path }) => path)
  assert.deepEqual(paths, [
    '/machine-config',
    '/boot-source',
    '/drives/image',
    '/drives/files',
    '/network-interfaces/wire',
    '/vsock',
    '/entropy',
    '/actions',
  ])
})

function assertDescribed({ path, body }: ApiRequest): void {
  const pattern = path
    .replace(/^\/drives\/.*/, '/drives/{drive_id}')
    .replace(/^(\/network-interfaces)\/.*/, '$1/{iface_id}')
  const fields = API_FIELDS[pattern]
  assert.ok(fields, `${path} is no path of the API’s`)
  for (const [name, value] of Object.entries(body)) {
    const field = fields[name]
    assert.ok(field, `${path} has no field ${name}`)
    assertValue(`${path} ${name}`, value, field)
  }
  const required = Object.entries(fields).filter(([, field]) => field.required)
  for (const [name] of required) assert.ok(name in body, `${path} requires ${name}`)
}

function assertValue(where: string, value: unknown, field: ApiField): void {
  assert.equal(typeof value, field.type === 'integer' ? 'number' : field.type, where)
  if (field.enum !== undefined) assert.ok(field.enum.includes(String(value)), where)
  if (typeof value !== 'number') return
  assert.ok(Number.isInteger(value) && value >= (field.minimum ?? 0) && value <= (field.maximum ?? 2 ** 31), where)
}
