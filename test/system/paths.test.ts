/**
 * Where state and configuration lie: the XDG base directories, with the specification's rule that a relative
 * value is ignored, and never anywhere that a cage's name could lead out of.
 */
import assert from 'node:assert/strict'
import { homedir } from 'node:os'
import { describe, test } from 'node:test'
import {
  cageAudit,
  cageState,
  cagesFolder,
  configHome,
  isCageName,
  ownFolders,
  secretsFolder,
  stateHome,
} from '../../src/system/paths.ts'

describe('paths', () => {
  test('default to the home folder', () => {
    const env = { HOME: '/home/ada' }
    assert.equal(configHome(env), '/home/ada/.config/agentcage')
    assert.equal(stateHome(env), '/home/ada/.local/state/agentcage')
    assert.equal(cagesFolder(env), '/home/ada/.local/state/agentcage/cages')
    assert.equal(cageState('demo', env), '/home/ada/.local/state/agentcage/cages/demo')
    assert.equal(cageAudit('demo', env), '/home/ada/.local/state/agentcage/cages/demo/audit.jsonl')
    assert.equal(secretsFolder('demo', env), '/home/ada/.config/agentcage/deployments/demo/secrets')
  })

  test('all that agentcage goes by is its own, the compiled code that it runs too', () => {
    assert.deepEqual(ownFolders({ HOME: '/home/ada', XDG_CACHE_HOME: '/k' }), [
      '/home/ada/.local/state/agentcage',
      '/home/ada/.config/agentcage',
      '/k/agentcage',
    ])
  })

  test('follow XDG variables that are absolute', () => {
    const env = { HOME: '/home/ada', XDG_CONFIG_HOME: '/c', XDG_STATE_HOME: '/s' }
    assert.equal(configHome(env), '/c/agentcage')
    assert.equal(stateHome(env), '/s/agentcage')
  })

  for (const bad of ['', 'relative', './x', '~/x']) {
    test(`ignore an XDG value that is not absolute: ${JSON.stringify(bad)}`, () => {
      const env = { HOME: '/home/ada', XDG_CONFIG_HOME: bad, XDG_STATE_HOME: bad }
      assert.equal(configHome(env), '/home/ada/.config/agentcage')
      assert.equal(stateHome(env), '/home/ada/.local/state/agentcage')
    })
  }

  test('fall back to the account when HOME is absent or relative', () => {
    assert.equal(configHome({}), `${homedir()}/.config/agentcage`)
    assert.equal(configHome({ HOME: 'here' }), `${homedir()}/.config/agentcage`)
  })

  for (const bad of ['', '.', '..', 'a/b', '../x', 'A', '-a', 'a_b', 'a\n', 'a\0', 'ä', 'a'.repeat(64)]) {
    test(`refuse ${JSON.stringify(bad)} as a name`, () => {
      assert.equal(isCageName(bad), false)
      assert.throws(() => cageState(bad, { HOME: '/h' }), RangeError)
      assert.throws(() => secretsFolder(bad, { HOME: '/h' }), RangeError)
    })
  }

  for (const good of ['a', '0', 'a-b', 'a'.repeat(63), 'x-']) {
    test(`take ${good} as a name`, () => assert.equal(isCageName(good), true))
  }
})
