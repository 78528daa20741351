/**
 * What is compressed inside of zip archives and git packs is seen, made by the programs that make them, alone, in other
 * content, in each other, and in base64. Hostile ones cost bounded time and memory, and what was left out is told.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { deflateRawSync, deflateSync } from 'node:zlib'
import { unpacked } from '../../../../src/egress/inspect/decode/archives.ts'
import { ContentViews } from '../../../../src/egress/inspect/decode/content-views.ts'
import { DECODE_LIMITS } from '../../../../src/egress/inspect/decode/limits.ts'
import { finished } from '../../../../src/egress/inspect/steps.ts'
import { fuzz, mutate } from '../../../support/fuzz.ts'
import { missingTools } from '../../../support/requires.ts'
import { withFolder } from '../../../support/temporary.ts'

const SECRET = `AK${'IA'}QXMZKRPVTWNBHJ27`
const TEXT = `${'some words before it '.repeat(20)}key = ${SECRET}\n${'and behind it '.repeat(20)}`

function viewsOf(body: Buffer): ContentViews {
  return new ContentViews({ contentType: '', contentEncoding: '', body })
}

function sees(body: Buffer): boolean {
  return [...viewsOf(body)].some(({ bytes }) => bytes.includes(SECRET))
}

async function zip(t: TestContext): Promise<Buffer> {
  const folder = await withFolder(t)
  await writeFile(join(folder, 'a.txt'), 'nothing here, nothing here, nothing here')
  await writeFile(join(folder, 'b.env'), TEXT)
  const make =
    "import sys, zipfile\nz = zipfile.ZipFile('x.zip', 'w', zipfile.ZIP_DEFLATED)\nz.write('a.txt'); z.write('b.env'); z.close()"
  execFileSync('python3', ['-c', make], { cwd: folder })
  return readFile(join(folder, 'x.zip'))
}

/** A pack with a blob, and then with the same blob as a difference to a similar one. */
async function packs(t: TestContext): Promise<readonly Buffer[]> {
  const folder = await withFolder(t)
  const env = { PATH: process.env['PATH'], HOME: folder, GIT_CONFIG_NOSYSTEM: '1' }
  const git = (args: readonly string[], input = '') =>
    execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@x.test', ...args], {
      cwd: folder,
      env,
      input,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
  git(['init', '-q'])
  const large = Array.from({ length: 2000 }, (_, line) => `line ${line * 7919}`).join('\n')
  await writeFile(join(folder, 'settings'), large)
  git(['add', '.'])
  git(['commit', '-qm', 'one'])
  await writeFile(join(folder, 'settings'), `${large}\nkey = ${SECRET}\n`)
  git(['commit', '-qam', 'two'])
  const all = git(['pack-objects', '--revs', '--stdout', '-q'], 'HEAD\n')
  const thin = git(['pack-objects', '--revs', '--stdout', '-q', '--thin', '--delta-base-offset'], 'HEAD\n^HEAD~1\n')
  return [all, thin]
}

describe('made by real programs', () => {
  test('zip', { skip: missingTools('python3') }, async (t) => {
    const archive = await zip(t)
    assert.ok(!archive.includes(SECRET))
    assert.ok(sees(archive))
    assert.ok(
      sees(Buffer.concat([Buffer.from('--b\r\n\r\n'), archive, Buffer.from('\r\n--b--\r\n')])),
      'in a multipart body',
    )
    assert.ok(sees(Buffer.from(JSON.stringify({ file: archive.toString('base64') }))), 'in base64')
    const compressed = deflateRawSync(archive)
    assert.ok(sees(member('inner.zip', compressed)), 'in another one')
    const found = [...viewsOf(archive)].find(({ bytes }) => bytes.includes(SECRET))
    assert.deepEqual(found?.encodings, ['zip'])
  })

  test('git push', { skip: missingTools('git') }, async (t) => {
    const head = `${'0'.repeat(40)} ${'a1b2c3d4e5'.repeat(4)} refs/heads/main\0 report-status`
    const line = `${(head.length + 4).toString(16).padStart(4, '0')}${head}0000`
    for (const pack of await packs(t)) {
      assert.ok(!pack.includes(SECRET))
      assert.ok(sees(Buffer.concat([Buffer.from(line), pack])))
      const views = viewsOf(pack)
      assert.ok([...views].length > 0)
      assert.deepEqual([views.isTooDeep, views.isTooLarge], [false, false])
    }
  })
})

/** A local file header and what follows it. */
function member(name: string, data: Buffer): Buffer {
  const header = Buffer.alloc(30)
  header.write('PK\x03\x04', 'latin1')
  header.writeUInt16LE(8, 8)
  header.writeUInt16LE(name.length, 26)
  return Buffer.concat([header, Buffer.from(name), data])
}

describe('hostile', () => {
  const behind = (decoy: string, count: number, stream: string): Buffer =>
    Buffer.from(JSON.stringify([...Array.from({ length: count }, (_, n) => `${decoy}${n}`), stream]))

  test('attack: a stream behind dozens of texts that only begin like one is opened', () => {
    const stream = deflateSync(TEXT)
    for (const decoy of [`eJAA${'A'.repeat(30)}`, `KLUv${'A'.repeat(30)}`])
      for (const encoding of ['base64', 'hex'] as const)
        assert.ok(sees(behind(decoy, 40, stream.toString(encoding))), `${decoy} ${encoding}`)
    for (const decoy of ['UEsD', `UEsD${'A'.repeat(30)}`])
      assert.ok(sees(behind(decoy, 40, member('a', deflateRawSync(TEXT)).toString('base64'))), decoy)
  })

  test('attack: more archives than are opened are told, and marks without number cost nothing', () => {
    const empty = member('a', deflateRawSync('')).toString('base64')
    const views = viewsOf(behind(empty, 40, member('a', deflateRawSync(TEXT)).toString('base64')))
    assert.ok([...views].length > 0 && views.isTooMany)
    for (const mark of ['KLUv', 'KLUv/A', 'UEsD', 'UEsDBQ', 'eJAA', 'H4sI', '1f8b08']) {
      const many = viewsOf(Buffer.alloc(4_000_000, mark))
      assert.ok([...many].length < 300, mark)
    }
  })

  test('a bomb, and thousands of members: bounded and told', () => {
    const bomb = member('a', deflateRawSync(Buffer.alloc(100_000_000)))
    const empty = member('a', deflateRawSync(Buffer.from('x')))
    const many = Buffer.concat(Array.from({ length: 21_000 }, () => empty))
    for (const body of [bomb, many]) {
      const views = viewsOf(body)
      for (const { bytes } of views)
        assert.ok(bytes.length <= Math.max(body.length, DECODE_LIMITS.maxBytes(body.length)))
      assert.deepEqual([views.isTooLarge, views.isTooMany], [body === bomb, body === many])
    }
    const last = Buffer.concat([...Array.from({ length: 3000 }, () => empty), member('b', deflateRawSync(TEXT))])
    assert.ok(sees(last), 'behind thousands of others')
  })

  test('members that share one long stream are read so often and no more', () => {
    // Blocks without content: input that gives no output.
    const empty = Buffer.from('000000ffff'.repeat(200_000), 'hex')
    const headers = Buffer.concat(Array.from({ length: 1000 }, () => member('', Buffer.alloc(0))))
    const [found] = finished(unpacked(Buffer.concat([headers, empty]), 1_000_000))
    assert.equal(found?.cut, 'size')
  })

  test('a pack that announces more objects than it has, and one in another', () => {
    const object = Buffer.concat([Buffer.of(0x30), deflateSync(TEXT)])
    const pack = (count: number, ...objects: readonly Buffer[]) => {
      const head = Buffer.alloc(12)
      head.write('PACK')
      head.writeUInt32BE(2, 4)
      head.writeUInt32BE(count, 8)
      return Buffer.concat([head, ...objects])
    }
    assert.ok(sees(pack(0xffffffff, object)))
    assert.ok(sees(pack(1, Buffer.of(0x30), pack(1, object))), 'behind one that is broken')
    assert.ok(sees(pack(1, Buffer.concat([Buffer.of(0x30), deflateSync(pack(1, object))]))), 'inside of one')
    const empty = Buffer.concat([Buffer.of(0x30), deflateSync('')])
    const many = (count: number): Buffer => pack(count, ...Array.from({ length: count - 1 }, () => empty), object)
    assert.ok(sees(many(6000)), 'behind thousands of others')
    const views = viewsOf(many(100_002))
    assert.ok([...views].length > 0 && views.isTooMany)
  })

  test('anything: no exception, nothing over the bound', async (t) => {
    const object = Buffer.concat([
      Buffer.from('PACK\0\0\0\x02\0\0\0\x02', 'latin1'),
      Buffer.of(0xb0, 0x01),
      deflateSync(TEXT),
      Buffer.of(0x70),
      Buffer.alloc(20, 1),
      deflateSync('x'),
    ])
    const both = Buffer.concat([member('name', deflateRawSync(TEXT)), object])
    await fuzz(t, { runs: 2000 }, (random) => {
      const found = finished(unpacked(Buffer.from(mutate(random, both)), 10_000))
      for (const { bytes } of found) assert.ok(bytes.length <= 10_001)
    })
  })
})
