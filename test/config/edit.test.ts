/**
 * `domain add` and `domain rm` change a text and nothing but what they are for: comments, order and the author's style stay,
 * and what comes out is right and says what was meant, whatever the configuration looked like.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { addHost, removeHost } from '../../src/config/edit.ts'
import { parseConfig } from '../../src/config/load.ts'
import { CageError } from '../../src/errors.ts'
import { parseHostname, type Hostname } from '../../src/policy/host.ts'

const host = (text: string): Hostname => parseHostname(text) as Hostname

const COMMENTED = `# Who may be asked.
name: demo

domains:
  mode: allowlist
  list:
    - example.com # the first
    # only to read
    - { host: api.example, methods: [GET] }
container:
  env: { TEXT: "quoted" }
`

describe('addHost', () => {
  const cases: readonly (readonly [what: string, before: string, after: string])[] = [
    ['keeps comments and order', COMMENTED, COMMENTED.replace('[GET] }\n', '[GET] }\n    - new.example\n')],
    ['makes the section', 'name: demo\n', 'name: demo\ndomains:\n  mode: allowlist\n  list:\n    - new.example\n'],
    ['makes the list', 'domains:\n  mode: blocklist\n', 'domains:\n  mode: blocklist\n  list:\n    - new.example\n'],
    ['fills an empty section', 'domains:\n', 'domains:\n  list:\n    - new.example\n'],
    ['keeps a list in brackets', 'domains: {list: [a.example]}\n', 'domains: {list: [a.example, new.example]}\n'],
    [
      'keeps lists at the margin of their key',
      'domains:\n  list:\n  - a.example\n',
      'domains:\n  list:\n  - a.example\n  - new.example\n',
    ],
    [
      'keeps wide indentation',
      'domains:\n    list:\n        - a.example\n',
      'domains:\n    list:\n        - a.example\n        - new.example\n',
    ],
    [
      'folds no long line',
      `# x\nname: demo # ${'long '.repeat(40)}end\n`,
      `# x\nname: demo # ${'long '.repeat(40)}end\ndomains:\n  mode: allowlist\n  list:\n    - new.example\n`,
    ],
  ]
  for (const [what, before, after] of cases) {
    test(what, () => {
      assert.deepEqual(addHost(before, { host: host('new.example') }), { text: after, changed: true })
      parseConfig(after, 'cage.yaml')
    })
  }

  test('changes nothing when the host is there for good, however it is written', () => {
    const before = 'domains: {list: [EXAMPLE.com.]}\n'
    assert.deepEqual(addHost(before, { host: host('example.com') }), { text: before, changed: false })
  })

  test('puts another end in place of the one before, and none for one without', () => {
    const ends = new Date('2026-01-31T18:00:00Z')
    const first = addHost('domains: {list: [a.example]} # kept\n', { host: host('a.example'), expires: ends })
    assert.equal(first.text, 'domains: {list: [{ host: a.example, expires: 2026-01-31T18:00:00Z }]} # kept\n')
    assert.deepEqual(parseConfig(first.text, 'x').domains?.list, [{ host: 'a.example', expires: ends }])
    assert.equal(addHost(first.text, { host: host('a.example') }).text, 'domains: {list: [a.example]} # kept\n')
  })

  test('leaves an entry with conditions as it is, beside the new one', () => {
    const { text } = addHost(COMMENTED, { host: host('api.example') })
    assert.deepEqual(
      parseConfig(text, 'x').domains?.list.map((rule) => [rule.host, rule.methods]),
      [
        ['example.com', undefined],
        ['api.example', ['GET']],
        ['api.example', undefined],
      ],
    )
  })

  test('refuses a list that is written somewhere else', () => {
    const text = 'container: {volumes: &a [x]}\ndomains: {list: *a}\n'
    assert.throws(() => addHost(text, { host: host('a.example') }), isNotWrittenOut)
  })
})

describe('removeHost', () => {
  test('takes out every entry for the host, not for its subdomains', () => {
    const before =
      'domains:\n  list:\n    - a.example\n    - b.a.example\n    - { host: A.example, ports: [8443] }\n    - z.example # last\n'
    const { text } = removeHost(before, host('a.example'))
    assert.equal(text, 'domains:\n  list:\n    - b.a.example\n    - z.example # last\n')
  })

  test('changes nothing when it is not there', () => {
    assert.deepEqual(removeHost(COMMENTED, host('other.example')), { text: COMMENTED, changed: false })
  })

  test('leaves an empty list, which allows nothing', () => {
    assert.deepEqual(parseConfig(removeHost('domains: {list: [a.example]}\n', host('a.example')).text, 'x').domains, {
      mode: 'allowlist',
      list: [],
    })
  })
})

test('adding and removing what was not there gives the same list again', () => {
  const name = fc.stringMatching(/^[a-z]{1,8}$/).map((label) => `${label}.example`)
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 6 }), name, fc.boolean(), (list, added, flow) => {
      fc.pre(!list.includes(added))
      const items = flow
        ? ` [${list.join(', ')}]\n`
        : list.length === 0
          ? ' []\n'
          : `\n${list.map((item) => `    - ${item}\n`).join('')}`
      const before = `domains:\n  list:${items}`
      const { text } = removeHost(addHost(before, { host: host(added) }).text, host(added))
      assert.deepEqual(
        parseConfig(text, 'x').domains?.list.map((rule) => rule.host),
        list,
      )
    }),
  )
})

function isNotWrittenOut(error: unknown): boolean {
  return error instanceof CageError && error.code === 'config_invalid' && /is not written out/.test(error.message)
}
