/**
 * Inspectors lie beside the configuration, in agentcage's folder for them or where AGENTCAGE_INSPECTOR_DIRS says, never
 * within reach of the workload; paths in a configuration are as seen from itself. They are settings of the cage: no volume
 * may let the workload write them.
 */
import assert from 'node:assert/strict'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspectorFolders } from '../../src/cage/inspector-folders.ts'
import { settingsFiles } from '../../src/cage/settings.ts'
import { parseConfig } from '../../src/config/load.ts'

test('the folders', () => {
  const environment = { HOME: '/home/me', AGENTCAGE_INSPECTOR_DIRS: '/opt/a:relative::/opt/b' }
  assert.deepEqual(inspectorFolders({ configPath: '/etc/cage/cage.yaml', environment, reach: ['/project'] }), {
    base: '/etc/cage',
    allowed: ['/etc/cage', '/home/me/.config/agentcage/inspectors', '/opt/a', '/opt/b'],
    forbidden: ['/project'],
  })
  assert.deepEqual(inspectorFolders({ configPath: undefined, environment: { HOME: '/home/me' }, reach: [] }).allowed, [
    '/home/me/.config/agentcage/inspectors',
  ])
})

test('paths are as seen from the configuration, and settings of the cage', () => {
  const text =
    'inspectors: [{name: a, path: a.ts}, {name: b, path: ../b.ts}, {name: c, path: /c.ts}, {name: d, path: ~/d.ts}]\n'
  const config = parseConfig(text, '/etc/cage/cage.yaml')
  const paths = ['/etc/cage/a.ts', '/etc/b.ts', '/c.ts', join(homedir(), 'd.ts')]
  const settings = { configPath: '/etc/cage/cage.yaml', workingDirectory: '/project' }
  assert.deepEqual(settingsFiles(settings, config), ['/etc/cage/cage.yaml', ...paths])
})
