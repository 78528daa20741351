/** `source` in a rule: each form as data, and what is wrong with others, at its place. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseConfig } from '../../src/config/load.ts'
import { configProblems } from './config-problems.ts'

/** JSON is YAML. */
function textFor(source: unknown): string {
  return `secret_injection:\n  - env: KEY\n    inject_to: [api.test]\n    source: ${JSON.stringify(source)}`
}

describe('forms', () => {
  const forms: readonly (readonly [unknown, unknown])[] = [
    ['store', { kind: 'store' }],
    ['env:PROD_KEY', { kind: 'env', name: 'PROD_KEY' }],
    ['file:key.txt', { kind: 'file', path: 'key.txt' }],
    ['file:~/keys/a b', { kind: 'file', path: '~/keys/a b' }],
    ['file:/run/secrets/a:b', { kind: 'file', path: '/run/secrets/a:b' }],
    ["cmd:op read 'op://a b/c'", { kind: 'command', argv: ['op', 'read', 'op://a b/c'] }],
    [{ cmd: 'pass show x' }, { kind: 'command', argv: ['pass', 'show', 'x'] }],
    [{ cmd: ['pass', 'show', '$x | y'] }, { kind: 'command', argv: ['pass', 'show', '$x | y'] }],
    [
      { cmd: 'pass x | head -n1', shell: true },
      { kind: 'command', argv: ['/bin/sh', '-c', 'pass x | head -n1'] },
    ],
    ['systemd-creds:api-key', { kind: 'credential', name: 'api-key' }],
    ['systemd-creds:./api.cred', { kind: 'encrypted-credential', path: './api.cred' }],
    ['podman:cage.KEY', { kind: 'podman', name: 'cage.KEY' }],
  ]
  for (const [source, expected] of forms) {
    test(JSON.stringify(source), () => {
      assert.deepEqual(parseConfig(textFor(source), 'cage.yaml').secret_injection[0]?.source, expected)
    })
  }
})

describe('mistakes', () => {
  const forms = /must be env:NAME, file:PATH, cmd:COMMAND, systemd-creds:NAME, podman:NAME or store$/
  const mistakes: readonly (readonly [unknown, RegExp])[] = [
    ['', forms],
    ['KEY', forms],
    ['env', forms],
    ['vault:x', forms],
    ['ENV:X', forms],
    ['store:x', forms],
    ['env:', /must name a variable/],
    ['env:A-B', /must name a variable/],
    ['file:', /must name a file/],
    ['file:a/', /must name a file/],
    ['file:~other/key', /must name a file/],
    ['file:a\nb', /must name a file/],
    ['cmd:', /names no program/],
    ['cmd:a | b', /holds \|, which means something to a shell/],
    ['systemd-creds:', /must name a credential/],
    ['systemd-creds:..', /must name a credential/],
    ['systemd-creds:a b', /must name a credential/],
    ['podman:', /must name a secret of Podman/],
    ['podman:--all', /must name a secret of Podman/],
    [{ cmd: '' }, /names no program/],
    [{ cmd: [] }, /is missing/],
    [{ cmd: [''] }, /at least 1 character/],
    [{ cmd: ['a', 3] }, /must be text, not 3/],
    [{ cmd: ['a', 'b\0'] }, /must not hold NUL/],
    [{ cmd: ['a'], shell: true }, /must have a text as cmd/],
    [{ cmd: 'a', shell: 'yes' }, /must be true or false/],
    [{ shell: true }, /cmd is missing/],
    [{ cmd: 'a', timeout: 1 }, /unknown key "timeout"/],
    [3, /must be text or a mapping, not 3/],
    [null, /must be text or a mapping, not empty/],
  ]
  for (const [source, message] of mistakes) {
    test(JSON.stringify(source), () => {
      const problems = configProblems(textFor(source))
      assert.equal(problems.length, 1, JSON.stringify(problems))
      assert.match(problems[0]?.message ?? '', message)
      assert.equal(problems[0]?.line, 4)
      assert.ok((problems[0]?.column ?? 0) >= 13)
    })
  }
})
