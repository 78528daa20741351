/**
 * Java in a cage: its HTTP client reads no proxy variables and brings a trust store of its own. It is captured, and
 * trusts the cage's authority by the store that lies over its own.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { run } from '../../support/command.ts'
import type { InternetServer } from '../../support/internet.ts'
import { findTool } from '../../support/requires.ts'
import { withoutCages } from '../support/cage.ts'
import { assertProtected, World } from '../support/world.ts'

const CLIENT = `
import java.net.URI;
import java.net.http.*;

public class Client {
  public static void main(String[] args) throws Exception {
    var request = HttpRequest.newBuilder(URI.create("https://java.test/"))
      .header("X-Api-Key", System.getenv("API_TOKEN")).build();
    System.out.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
  }
}
`

/** Java that runs a source file needs its compiler; a bare runtime, which Debian installs by default, lacks it. */
async function withoutJava(): Promise<string | false> {
  if (findTool('java') === undefined) return 'this machine lacks java'
  const { stdout } = await run('java', ['--list-modules'])
  return stdout.includes('jdk.compiler') ? false : 'this machine has a Java without jdk.compiler'
}

describe('Java', { skip: withoutCages || (await withoutJava()) }, () => {
  let world: World
  let server: InternetServer

  before(async () => {
    world = await World.open(
      async (internet) => {
        server = await internet.server('java.test')
      },
      {},
      async (host) => void (await host.write('Client.java', CLIENT)),
    )
  })
  after(() => world.close())

  test('its HTTP client', async () => {
    const { code, stdout, stderr } = await world.cage.run(['java', 'Client.java'])
    assert.equal(code, 0, stderr)
    const [record, ...more] = await world.recordsOf('java.test')
    assertProtected(server.requests[0], stdout, record)
    assert.deepEqual(more, [])
  })
})
