/** What must hold whatever the isolation, with `isolation: process`. */
import { after, before, describe, test } from 'node:test'
import { withoutCagesOr } from '../support/cage.ts'
import { World } from '../support/world.ts'
import { CASES, MatrixServers, prepare } from './cases.ts'

describe('isolation: process', { skip: withoutCagesOr('curl', 'git') }, () => {
  const servers = new MatrixServers()
  let world: World
  before(async () => {
    world = await World.open((internet) => servers.populate(internet), {}, prepare)
  })
  after(() => world.close())

  for (const { name, hold } of CASES) test(name, () => hold(world, servers))
})
