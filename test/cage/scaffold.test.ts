/**
 * Scaffolds and `init`: what is written is right as it stands and with every comment line taken in, names hosts of its own
 * provider only, and never replaces what is there unless told to.
 */
import assert from 'node:assert/strict'
import { readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { SCAFFOLDS, plainText, scaffoldText } from '../../src/cage/scaffold/text.ts'
import { SCAFFOLD_NAMES } from '../../src/cli/scaffold-names.ts'
import { parseConfig } from '../../src/config/load.ts'
import { isolationOf } from '../../src/config/isolation.ts'
import { isWithin } from '../../src/policy/host.ts'
import { run } from '../support/command.ts'
import { withFolder } from '../support/temporary.ts'
import { PROGRAM } from '../support/program.ts'

test('the names that the command line knows are those there are', () => {
  assert.deepEqual(
    SCAFFOLDS.map(({ name }) => name),
    [...SCAFFOLD_NAMES],
  )
})

for (const scaffold of SCAFFOLDS) {
  describe(scaffold.name, () => {
    const config = parseConfig(scaffoldText(scaffold, 'demo'), 'cage.yaml')

    test('is a configuration with a command, an allowlist and its isolation', () => {
      assert.equal(config.name, 'demo')
      assert.equal(config.domains?.mode, 'allowlist')
      assert.ok((config.container.command ?? []).length > 0)
      assert.equal(isolationOf(config), scaffold.isolation)
    })

    test('sends each secret to named hosts, which are listed', () => {
      for (const { inject_to: targets } of config.secret_injection) {
        for (const { host } of targets) {
          assert.ok(host !== '*')
          assert.ok(
            config.domains?.list.some((rule) => isWithin(host, rule.host)),
            host,
          )
        }
      }
    })
  })
}

describe('what is commented out', () => {
  const texts = [
    ...SCAFFOLDS.map((scaffold) => [scaffold.name, scaffoldText(scaffold, 'demo')] as const),
    ['plain', plainText({ name: 'demo', image: undefined })] as const,
    ['from an image', plainText({ name: 'demo', image: 'docker.io/library/node:24' })] as const,
  ]
  for (const [name, text] of texts) {
    test(`${name}: is right when it is taken in`, () => {
      const taken = text
        .split('\n')
        .map((line) => line.replace(/^( *)# (?= *- | *[A-Za-z_]+:(?: \S|$))/, '$1'))
        .filter((line) => !/^ *list: \[\]$/.test(line) || !text.includes('# list:'))
        .join('\n')
      if (name !== 'openclaw') assert.notEqual(taken, text, 'nothing is commented out')
      parseConfig(taken, 'cage.yaml')
    })
  }
})

describe('init', () => {
  const agentcage = (cwd: string, ...args: string[]) => run(process.execPath, [PROGRAM, ...args], { cwd })

  test('writes a configuration that config check takes, named like the folder', async (t) => {
    const folder = await withFolder(t)
    const { code, stdout } = await agentcage(folder, 'init')
    assert.equal(code, 0)
    assert.match(stdout, /^Wrote cage\.yaml for cage 'agentcage-test-/)
    assert.equal((await agentcage(folder, 'config', 'check', 'cage.yaml')).code, 0)
  })

  test('leaves what is there, link or file, unless told to replace it', async (t) => {
    const folder = await withFolder(t)
    await writeFile(join(folder, 'cage.yaml'), 'mine')
    await symlink(join(folder, 'cage.yaml'), join(folder, 'link.yaml'))
    for (const output of ['cage.yaml', 'link.yaml']) {
      const { code, stderr } = await agentcage(folder, 'init', 'demo', '-o', output)
      assert.equal(code, 2)
      assert.match(stderr, /exists already/)
    }
    assert.equal(await readFile(join(folder, 'cage.yaml'), 'utf8'), 'mine')
    const forced = await agentcage(folder, 'init', 'demo', '-o', 'link.yaml', '--force', '--scaffold', 'codex')
    assert.equal(forced.code, 0, forced.stderr)
    assert.equal(await readFile(join(folder, 'cage.yaml'), 'utf8'), 'mine')
    assert.match(await readFile(join(folder, 'link.yaml'), 'utf8'), /^name: demo$/m)
  })

  test('refuses an image that is none, and a scaffold that nobody knows', async (t) => {
    const folder = await withFolder(t)
    assert.equal((await agentcage(folder, 'init', '--scaffold', 'nothing')).code, 2)
    assert.equal((await agentcage(folder, 'init', '--scaffold', 'codex', '--image', 'x')).code, 2)
    assert.equal((await agentcage(folder, 'init', '--image', 'a\nUser=root')).code, 2)
  })
})
