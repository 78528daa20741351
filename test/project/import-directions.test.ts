/**
 * Imports point one way: cli -> cage -> {isolation, egress} -> {config, policy, secrets, audit} -> system.
 *
 * The linter holds this, so what is tested is the linter's configuration: a tree is written in which every folder of
 * src imports from every other, in every form that an import has, and exactly the forbidden ones are reported.
 */
import { spawnSync } from 'node:child_process'
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** What each folder may import beside itself. `types` is for `import type` alone. */
const MAY_IMPORT: Readonly<Record<string, { readonly values: readonly string[]; readonly types?: readonly string[] }>> =
  {
    cli: { values: ['cage', 'config', 'policy', 'isolation', 'egress', 'secrets', 'audit', 'system'] },
    cage: { values: ['config', 'policy', 'isolation', 'egress', 'secrets', 'audit', 'system'] },
    egress: { values: ['config', 'policy', 'secrets', 'audit', 'system'] },
    isolation: { values: ['policy', 'system'] },
    config: { values: ['policy', 'system'] },
    secrets: { values: ['policy', 'system'], types: ['config'] },
    audit: { values: ['policy', 'system'] },
    policy: { values: [], types: ['config'] },
    system: { values: [] },
  }

const FOLDERS = Object.keys(MAY_IMPORT)

/** The forms that an import has, by name. */
const FORMS: Readonly<Record<string, (path: string) => string>> = {
  static: (path) => `import { thing } from '${path}'\nexport const used = thing\n`,
  types: (path) => `import type { Thing } from '${path}'\nexport type Used = Thing\n`,
  dynamic: (path) => `export const used = await import('${path}')\n`,
  'side effect': (path) => `import '${path}'\n`,
  're-export': (path) => `export * from '${path}'\n`,
}

describe('import directions', () => {
  let folder: string
  let reported: ReadonlySet<string>

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'agentcage-imports-'))
    await writeFile(join(folder, '.oxlintrc.json'), await untyped(join(root, '.oxlintrc.json')))
    for (const from of FOLDERS) {
      for (const to of FOLDERS) {
        for (const [form, render] of Object.entries(FORMS)) {
          await write(fileName(from, to, form), render(from === to ? './thing.ts' : `../../${to}/thing.ts`))
        }
      }
      await write(fileName(from, 'errors', 'static'), FORMS['static']?.('../../errors.ts'))
      await write(fileName(from, 'detour', 'static'), FORMS['static']?.(`../../../src/${from}/thing.ts`))
      await write(fileName(from, 'test', 'static'), FORMS['static']?.('../../../test/support/thing.ts'))
    }
    await write('bin/cli.ts', FORMS['dynamic']?.('../src/cli/main.ts'))
    await write('bin/egress.ts', FORMS['dynamic']?.('../src/egress/egress.ts'))
    await write('src/errors.ts', FORMS['static']?.('./policy/thing.ts'))
    reported = lint(folder)
  })

  after(() => rm(folder, { recursive: true }))

  for (const [from, may] of Object.entries(MAY_IMPORT)) {
    test(`src/${from} imports ${may.values.join(', ') || 'nothing of ours'}`, () => {
      for (const to of FOLDERS) {
        for (const form of Object.keys(FORMS)) {
          const allowed =
            to === from || may.values.includes(to) || (form === 'types' && (may.types?.includes(to) ?? false))
          assert.equal(reported.has(fileName(from, to, form)), !allowed, `src/${from} to src/${to}, ${form}`)
        }
      }
    })
  }

  test('src/errors.ts is for all but system, and imports nothing of ours', () => {
    for (const from of FOLDERS) assert.equal(reported.has(fileName(from, 'errors', 'static')), from === 'system', from)
    assert.ok(reported.has('src/errors.ts'))
  })

  test('no folder of src leaves src, not even to come back', () => {
    for (const from of FOLDERS) {
      assert.ok(reported.has(fileName(from, 'detour', 'static')), from)
      assert.ok(reported.has(fileName(from, 'test', 'static')), from)
    }
  })

  test('bin imports the command line only', () => {
    assert.ok(!reported.has('bin/cli.ts'))
    assert.ok(reported.has('bin/egress.ts'))
  })

  async function write(name: string, text: string | undefined): Promise<void> {
    assert.ok(text !== undefined)
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
})

/** One level down, so that a folder's own subfolders are judged like the folder. */
function fileName(from: string, to: string, form: string): string {
  return `src/${from}/room/${to}-${form.replace(' ', '-')}.ts`
}

/** The project's configuration without type information, which a tree of missing modules cannot give. */
async function untyped(path: string): Promise<string> {
  const text = await readFile(path, 'utf8')
  assert.match(text, /"typeAware": true/)
  return text.replace('"typeAware": true', '"typeAware": false')
}

/** Files of `folder` in which the linter reports a restricted import. */
function lint(folder: string): ReadonlySet<string> {
  const oxlint = join(root, 'node_modules/oxlint/bin/oxlint')
  const { stdout, stderr } = spawnSync(process.execPath, [oxlint, '--format=json'], { cwd: folder, encoding: 'utf8' })
  assert.match(stdout, /^\{/, stderr)
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; filename: string }[] }
  return new Set(
    diagnostics.filter(({ code }) => code.includes('no-restricted-imports')).map(({ filename }) => filename),
  )
}
