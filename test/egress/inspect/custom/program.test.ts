/**
 * An inspector is read from where its owner put it and nobody else could have: inside the allowed folders with links
 * resolved, out of the workload's reach, writable by its owner only. What cannot be used stops the start with a message.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmod, chown, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { CageError } from '../../../../src/errors.ts'
import { loadCustomInspectors } from '../../../../src/egress/inspect/custom/load.ts'
import { readProgram, type InspectorFolders } from '../../../../src/egress/inspect/custom/program.ts'
import { run } from '../../../support/command.ts'
import { withFolder } from '../../../support/temporary.ts'

const GOOD = "export default { name: 'it', inspectRequest: () => ({ kind: 'pass' }) }\n"

interface Places {
  readonly root: string
  /** `ok` is allowed, `project` in it is the workload's, `elsewhere` is neither. */
  readonly folders: InspectorFolders
}

async function places(t: TestContext): Promise<Places> {
  const root = await withFolder(t)
  await mkdir(join(root, 'ok/project'), { recursive: true })
  await mkdir(join(root, 'elsewhere'))
  return {
    root,
    folders: { base: root, allowed: [join(root, 'ok'), join(root, 'missing')], forbidden: [join(root, 'ok/project')] },
  }
}

async function put(root: string, path: string, text = GOOD): Promise<string> {
  const file = join(root, path)
  await writeFile(file, text, { mode: 0o600 })
  return file
}

function entry(path: string) {
  return { name: 'it', path, config: {}, timeout_ms: 60_000 }
}

async function refused(promise: Promise<unknown>, message: string | RegExp): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof CageError)
    assert.equal(error.code, 'config_invalid')
    if (typeof message === 'string') assert.equal(error.message, message)
    else assert.match(error.message, message)
    return true
  })
}

describe('where it lies', () => {
  test('in an allowed folder: read, with the digest of the file', async (t) => {
    const { root, folders } = await places(t)
    const path = await put(root, 'ok/it.ts')
    const program = await readProgram(entry(path), folders)
    const sha256 = createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
    assert.deepEqual([program.path, program.source, program.sha256], [path, GOOD, sha256])
    assert.equal((await readProgram(entry('ok/it.ts'), folders)).path, path, 'as seen from the configuration')
  })

  test('by a link into an allowed folder: what counts is where it leads', async (t) => {
    const { root, folders } = await places(t)
    const path = await put(root, 'ok/it.ts')
    await symlink(path, join(root, 'elsewhere/link.ts'))
    assert.equal((await readProgram(entry(join(root, 'elsewhere/link.ts')), folders)).path, path)
  })

  test('outside, plainly, by a link, by dots, or in a folder whose name begins the same', async (t) => {
    const { root, folders } = await places(t)
    const path = await put(root, 'elsewhere/it.ts')
    await symlink(path, join(root, 'ok/link.ts'))
    await symlink(join(root, 'elsewhere'), join(root, 'ok/folder'))
    await mkdir(join(root, 'ok-not'))
    const similar = await put(root, 'ok-not/it.ts')
    const list = `[${folders.allowed.join(', ')}]`
    const said = (written: string, real: string) =>
      `inspectors: it: custom inspector path ${written} (resolved: ${real}) is outside allowed directories: ${list}`
    for (const written of [
      path,
      join(root, 'ok/link.ts'),
      join(root, 'ok/folder/it.ts'),
      `${root}/ok/../elsewhere/it.ts`,
    ])
      await refused(readProgram(entry(written), folders), said(written, path))
    await refused(readProgram(entry(similar), folders), said(similar, similar))
  })

  test('where the workload can reach it, although the folder around is allowed', async (t) => {
    const { root, folders } = await places(t)
    const path = await put(root, 'ok/project/it.ts')
    await symlink(path, join(root, 'ok/link.ts'))
    for (const written of [path, join(root, 'ok/link.ts')])
      await refused(readProgram(entry(written), folders), /lies in .*\/ok\/project, which the workload can reach$/)
  })

  test('nowhere', async (t) => {
    const { root, folders } = await places(t)
    await refused(readProgram(entry(join(root, 'ok/none.ts')), folders), /none\.ts cannot be read: ENOENT$/)
  })
})

describe('what it is', () => {
  test('a file that others can write, or a group that is not its owner alone', async (t) => {
    const { root, folders } = await places(t)
    const path = await put(root, 'ok/it.ts')
    await chmod(path, 0o602)
    await refused(readProgram(entry(path), folders), /can be written by others than its owner$/)
    await chmod(path, 0o620)
    const { uid, gid } = await stat(path)
    if (uid === gid) await readProgram(entry(path), folders)
    if (process.geteuid?.() === 0) await chown(path, uid, gid + 1)
    if ((await stat(path)).gid !== uid)
      await refused(readProgram(entry(path), folders), /can be written by others than its owner$/)
  })

  test('a folder, a pipe, a file of another kind, bytes that are no text, too large', async (t) => {
    const { root, folders } = await places(t)
    await mkdir(join(root, 'ok/folder.ts'), { mode: 0o700 })
    await refused(readProgram(entry(join(root, 'ok/folder.ts')), folders), /is not a plain file$/)
    await run('mkfifo', ['-m', '600', join(root, 'ok/pipe.ts')])
    await refused(readProgram(entry(join(root, 'ok/pipe.ts')), folders), /is not a plain file$/)
    await refused(readProgram(entry(await put(root, 'ok/it.py')), folders), /is neither TypeScript nor JavaScript$/)
    await writeFile(join(root, 'ok/raw.ts'), Buffer.of(0xff, 0xfe), { mode: 0o600 })
    await refused(readProgram(entry(join(root, 'ok/raw.ts')), folders), /is not UTF-8 text$/)
    const large = await put(root, 'ok/large.ts', ' '.repeat(1_048_577))
    await refused(readProgram(entry(large), folders), /is larger than 1048576 bytes$/)
  })

  const UNUSABLE: Readonly<Record<string, readonly [text: string, message: RegExp]>> = {
    'no default export': ['export const it = 1', /its default export is not an inspector$/],
    'a default export that is a function': ['export default () => {}', /its default export is not an inspector$/],
    'no name': ['export default { inspectRequest() {} }', /its inspector has no name$/],
    'a method that is none': [
      "export default { name: 'x', inspectRequest: 1 }",
      /inspectRequest of its inspector is not a function$/,
    ],
    'no method': ["export default { name: 'x' }", /its inspector looks at nothing$/],
    'a syntax error': ['export default {', /.+/],
    'syntax that cannot be stripped': [
      "enum A { B }\nexport default { name: 'x', inspectRequest() {} }",
      /enum is not supported/,
    ],
    'a configure that throws': [
      "export default { name: 'x', inspectRequest() {}, configure() { throw new Error('no words') } }",
      /no words$/,
    ],
    'a configure that ends the thread': [
      "export default { name: 'x', inspectRequest() {}, configure() { process.exit() } }",
      /it ended$/,
    ],
    'another file': [
      "import './other.ts'\nexport default { name: 'x', inspectRequest() {} }",
      /cannot import \.\/other\.ts: an inspector is one file/,
    ],
    'a library': ["import 'zod'\nexport default { name: 'x', inspectRequest() {} }", /cannot import zod/],
    'another file, later': [
      "await import('./other.ts')\nexport default { name: 'x', inspectRequest() {} }",
      /cannot import \.\/other\.ts/,
    ],
  }
  for (const [what, [text, message]] of Object.entries(UNUSABLE)) {
    test(what, async (t) => {
      const { root, folders } = await places(t)
      await put(root, 'ok/other.ts', '')
      const path = await put(root, 'ok/it.ts', text)
      const messages: string[] = []
      const loading = loadCustomInspectors(
        { inspectors: [entry(path)] },
        { place: folders, log: (line) => messages.push(line) },
      )
      await refused(loading, new RegExp(`^inspectors: it: ${path.replaceAll('.', '\\.')}: .*${message.source}`, 's'))
    })
  }

  test('JavaScript, TypeScript, with a configuration; its digest is told', async (t) => {
    const { root, folders } = await places(t)
    const js = await put(
      root,
      'ok/js.mjs',
      "import { createHash } from 'node:crypto'\nexport default { name: 'a', inspectMessage: () => createHash }",
    )
    const ts = await put(
      root,
      'ok/ts.mts',
      "let word: string\nexport default { name: 'b', configure(c: { word: string }) { word = c.word; if (word !== 'x') throw new Error(word) }, inspectResponse() { return word } }",
    )
    const messages: string[] = []
    const loaded = await loadCustomInspectors(
      {
        inspectors: [
          { ...entry(js), name: 'js' },
          { ...entry(ts), name: 'ts', config: { word: 'x' } },
        ],
      },
      { place: folders, log: (line) => messages.push(line) },
    )
    t.after(() => Promise.all(loaded.map((inspector) => inspector.close())))
    assert.deepEqual(
      loaded.map(({ inspector }) => Object.keys(inspector)),
      [
        ['name', 'timeLimit', 'inspectMessage'],
        ['name', 'timeLimit', 'inspectResponse'],
      ],
    )
    assert.deepEqual(
      messages,
      loaded.map(({ program: { name, path, sha256 } }) => `inspector ${name}: ${path}, SHA-256 ${sha256}`),
    )
  })
})
