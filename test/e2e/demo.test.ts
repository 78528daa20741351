/**
 * `npm run demo` as a newcomer runs it: every line of it holds, it says so without colour where there is no terminal, it
 * prints no secret and leaves nothing behind; as root and as a user without privileges. What is missing on a machine is
 * installed only by root on a Debian, and asked for anywhere else.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises'
import { chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { remedyFor } from '../../scripts/demo/requirements.ts'
import { withoutCages } from '../isolation/process/real-cage.ts'
import { run } from '../support/command.ts'
import { findTool } from '../support/requires.ts'

const ROOT = join(import.meta.dirname, '../..')
const DEMO = join(ROOT, 'scripts/demo.ts')

/** One of each section; their number is asserted too. */
const LINES = [
  'a host on the list answers: 200 from httpbin.org',
  'the API got the real key, which the agent never had',
  'a host off the list is refused: 403, with the reason',
  'a key in a body is caught: 403, it is not for httpbin.org',
  'echoed in a header and a body, it comes back as the placeholder',
  'echoed in gzip as well',
  'proxy variables cleared: the same 200 and 403',
  'a raw socket to 203.0.113.7:443: closed without a word, recorded',
  'an IPv6 literal, [2001:db8::7]: 403',
  'other ports, :22 and :8443: refused',
  'UDP to 203.0.113.7, ports 123 and 443: nothing comes back',
  'a DNS tunnel, half of it by 8.8.8.8: 50 of 50 names led to 198.51.100.1',
  'evil.example has still not been reached',
  'a git hook, to be run outside later: not written',
  'each request is recorded, in a chain that holds',
]

describe('the demo', { skip: withoutCages }, () => {
  test('every line holds, and nothing stays', async (t) => {
    const { stdout } = await demo(t, [process.execPath, DEMO])
    for (const line of LINES) assert.ok(stdout.includes(`\n  ok   ${line}\n`), `${line} is not in:\n${stdout}`)
    assert.doesNotMatch(stdout, /FAIL|\x1b|sk-ant-/)
    assert.match(stdout, /^ {2}3 allowed, 0 flagged, 2 blocked - audit: /m)
    assert.match(stdout, /^TIMESTAMP +DIRECTION +METHOD +HOST +PORT +PATH +DECISION +REASON$/m)
    assert.match(stdout, /^All 26 hold\.$/m)
  })

  test('without privileges too', { skip: process.geteuid?.() !== 0 && 'the test above runs without' }, async (t) => {
    const asNobody = [findTool('setpriv') ?? '', '--reuid=65534', '--regid=65534', '--clear-groups', '--']
    const { code } = await run(asNobody[0] ?? '', [...asNobody.slice(1), process.execPath, '--check', DEMO])
    if (code !== 0) return t.skip('that user may not read this checkout; scripts/test-unprivileged.sh makes a copy')
    const { stdout } = await demo(t, [...asNobody, process.execPath, DEMO])
    assert.match(stdout, /^All 26 hold\.$/m)
  })
})

test('what is missing is installed by root on a Debian, and asked for anywhere else', () => {
  const has = (program: string): boolean => !['bwrap', 'nsenter', 'unshare'].includes(program)
  const packages = ['bubblewrap', 'util-linux']
  assert.deepEqual(remedyFor({ manager: 'apt', uid: 0, has: () => true }), { kind: 'none' })
  assert.deepEqual(remedyFor({ manager: 'apt', uid: 0, has }), { kind: 'install', packages })
  assert.deepEqual(remedyFor({ manager: 'apt', uid: 1000, has }), {
    kind: 'ask',
    packages,
    command: 'sudo apt-get install -y bubblewrap util-linux',
  })
  assert.deepEqual(remedyFor({ manager: 'dnf', uid: 0, has }), {
    kind: 'ask',
    packages,
    command: 'dnf install -y bubblewrap util-linux',
  })
  assert.deepEqual(remedyFor({ manager: undefined, uid: 0, has }), { kind: 'ask', packages, command: undefined })
})

/** Runs the demo with a temporary folder of its own, which must be empty afterwards. */
async function demo(t: TestContext, [program = '', ...args]: readonly string[]): Promise<{ readonly stdout: string }> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'agentcage-test-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o1777)
  const env = { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder, LANG: 'C.UTF-8' }
  const { code, stdout, stderr } = await run(program, args, { cwd: ROOT, env })
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' }, `${stdout}${stderr}`)
  assert.deepEqual(await readdir(folder), [])
  return { stdout }
}
