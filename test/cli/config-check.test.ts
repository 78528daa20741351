/** `agentcage config check FILE` says that a configuration is right and what it means, or what is wrong and where. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { withFolder } from '../support/temporary.ts'
import { cli } from './captured-io.ts'

test('a right one', async (t) => {
  const file = await configuration(
    t,
    'domains: {list: [a.example, b.example]}\nsecret_injection: [{env: KEY, inject_to: [a.example]}]\n',
  )
  assert.deepEqual(await cli('config', 'check', file), {
    code: 0,
    stdout: `${file}: ok\n  isolation: process\n  domains:   2 entries reachable\n  secrets:   KEY\n`,
    stderr: '',
  })
})

for (const [text, summary] of Object.entries({
  '': 'none reachable (there is no domains section)',
  'domains: {}': 'none reachable (the list is empty)',
  'domains: {list: [a.example]}': '1 entry reachable',
  'domains: {mode: blocklist, list: [a.example]}': 'all reachable but 1 entry',
})) {
  test(`${JSON.stringify(text)}: ${summary}`, async (t) => {
    const { stdout } = await cli('config', 'check', await configuration(t, text))
    assert.match(stdout, new RegExp(`^  domains:   ${summary.replace(/[()]/g, '\\$&')}$`, 'm'))
  })
}

test('a wrong one', async (t) => {
  const file = await configuration(t, 'naem: a\nlogging: 1\n')
  assert.deepEqual(await cli('config', 'check', file), {
    code: 2,
    stdout: '',
    stderr: `${file}:1:1: unknown key "naem" (did you mean "name"?)\n${file}:2:10: logging must be a mapping, not 1\n`,
  })
})

test('as JSON', async (t) => {
  const right = await configuration(t, 'name: a\n')
  const first = await cli('config', 'check', '--json', right)
  assert.deepEqual([first.code, first.stderr], [0, ''])
  assert.deepEqual(JSON.parse(first.stdout), { ok: true, file: right, problems: [] })

  const wrong = await configuration(t, 'logging: {dns_queries: 1}\n')
  const second = await cli('config', 'check', wrong, '--json')
  assert.deepEqual([second.code, second.stderr], [2, ''])
  assert.deepEqual(JSON.parse(second.stdout), {
    ok: false,
    file: wrong,
    problems: [
      {
        line: 1,
        column: 24,
        message: 'logging.dns_queries must be true or false, not 1',
        path: 'logging.dns_queries',
      },
    ],
  })
})

test('one that is missing', async (t) => {
  const file = join(await withFolder(t), 'cage.yaml')
  assert.deepEqual(await cli('config', 'check', file), {
    code: 2,
    stdout: '',
    stderr: `error: cannot read ${file}: no such file\n`,
  })
})

test('config schema prints JSON Schema', async () => {
  const { code, stdout, stderr } = await cli('config', 'schema')
  assert.deepEqual([code, stderr], [0, ''])
  const schema = JSON.parse(stdout) as { readonly $schema: string; readonly properties: object }
  assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema')
  assert.ok('secret_injection' in schema.properties)
})

async function configuration(t: TestContext, text: string): Promise<string> {
  const file = join(await withFolder(t), 'cage.yaml')
  await writeFile(file, text)
  return file
}
