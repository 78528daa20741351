/**
 * What must hold whatever the isolation, with `isolation: container`. Runs in the lab of e2e/, as its user: that has Podman
 * with an image for agents, and an address for servers that containers reach. Its TMPDIR is an empty folder in the home.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { World } from '../support/world.ts'
import { CASES, MatrixServers, prepare } from './cases.ts'

const ENVIRONMENT = ['HOME', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS']

describe('isolation: container', () => {
  const servers = new MatrixServers({ everywhere: false })
  const env = Object.fromEntries(ENVIRONMENT.map((name) => [name, process.env[name] ?? '']))
  let world: World
  before(async () => {
    world = await World.open(
      (internet) => servers.populate(internet),
      { isolation: 'container', container: { image: 'localhost/agent:lab' } },
      { prepare, address: '198.18.0.12', env: { ...env, XDG_STATE_HOME: join(tmpdir(), 'state') } },
    )
  })
  after(() => world.close())

  for (const { name, hold } of CASES) test(name, () => hold(world, servers))
})
