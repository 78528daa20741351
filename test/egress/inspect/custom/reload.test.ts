/**
 * A reload puts changed inspectors in force and leaves the others as they are; one that cannot be used changes nothing.
 * What an inspector was asked before it was taken out is still answered. Inspectors come after those that are built in.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { get } from '../../../support/proxy-client.ts'
import { bedWith, writeProgram } from './programs.ts'

const HOST = 'plain.test'
const hosts = { [HOST]: { kind: 'http' } } as const
const URL = `http://${HOST}/`

const COUNTING = `count: 0, inspectRequest() { return { kind: 'block', reason: 'look ' + ++(this as unknown as { count: number }).count } }`
const block = (reason: string) => `inspectRequest: () => ({ kind: 'block', reason: '${reason}' })`

function reasonOf({ body }: { readonly body: Buffer }): unknown {
  return (JSON.parse(body.toString()) as { readonly reason: unknown }).reason
}

test('the same file and settings: the same thread, with what it remembers', async (t) => {
  const bed = await bedWith(t, { it: { members: COUNTING } }, { hosts })
  assert.equal(reasonOf(await get(URL, bed)), 'look 1')
  await bed.reload({ max_request_body: 1000 })
  assert.equal(reasonOf(await get(URL, bed)), 'look 2')
  await bed.reload({
    inspectors: [{ name: 'it', path: join(bed.folder, 'it.ts'), config: { other: 1 }, timeout_ms: 60_000 }],
  })
  assert.equal(reasonOf(await get(URL, bed)), 'look 1')
})

test('another text: the new one; one that cannot be used: the last one', async (t) => {
  const bed = await bedWith(t, { it: { members: block('old') } }, { hosts })
  await writeProgram(bed.folder, 'it', block('new'))
  await bed.reload({})
  assert.equal(reasonOf(await get(URL, bed)), 'new')
  await writeProgram(bed.folder, 'it', 'inspectRequest: 1')
  await assert.rejects(bed.reload({}), /inspectRequest of its inspector is not a function/)
  assert.equal(reasonOf(await get(URL, bed)), 'new')
  await bed.reload({ inspectors: [] })
  assert.equal((await get(URL, bed)).status, 200)
})

test('what was asked before the reload is still answered', async (t) => {
  const members = `async inspectRequest() { console.log('asked'); await new Promise((resolve) => setTimeout(resolve, 200)); return { kind: 'block', reason: 'late' } }`
  const bed = await bedWith(t, { it: { members } }, { hosts })
  const response = get(URL, bed)
  while (!bed.messages.includes('inspector it: asked')) await new Promise((resolve) => setImmediate(resolve))
  await bed.reload({ inspectors: [] })
  assert.equal(reasonOf(await response), 'late')
})

test('they know what those before them said, and are asked last', async (t) => {
  const say = `inspectRequest: ({ priorResults }) => ({ kind: 'flag', reason: priorResults.map(({ name, reason }) => name + ' ' + reason).join(', ') || 'nothing' })`
  const bed = await bedWith(t, { one: { members: say }, two: { members: say } }, { hosts })
  assert.equal((await get(URL, bed)).status, 200)
  assert.deepEqual(
    bed.records[0]?.inspectors?.map(({ name, reason, severity }) => [name, reason, severity]),
    [
      ['one', 'nothing', 'warning'],
      ['two', 'one nothing', 'warning'],
    ],
  )
  await bed.reload({ domains: { list: [] } })
  assert.equal((await get(URL, bed)).status, 403)
  assert.deepEqual(
    bed.records[1]?.inspectors?.map(({ name }) => name),
    ['domain'],
  )
})

test('an inspector gets the body as text, decompressed, and its bytes as a copy', async (t) => {
  const members = `inspectRequest({ body, headers, contentType }) {
    return { kind: 'block', reason: JSON.stringify([body.text, body.size, body.bytes.buffer.byteLength, body.entropy, headers.at(-1), contentType]) } }`
  const bed = await bedWith(t, { it: { members } }, { hosts })
  const headers = { 'Content-Type': 'text/plain; charset=iso-8859-1' }
  const response = await get(URL, {
    proxy: bed.proxy,
    method: 'POST',
    headers,
    body: Buffer.from('\xe4\xe4bb', 'latin1'),
  })
  assert.deepEqual(JSON.parse(String(reasonOf(response))), [
    'ääbb',
    4,
    4,
    1,
    ['Content-Type', headers['Content-Type']],
    headers['Content-Type'],
  ])
})
