/**
 * Server-sent events in a cage arrive one by one, as they are sent: the server sends an event only when the client has
 * said that it saw the one before. An egress that held any back would make both wait for ever. Redaction goes on in
 * the middle of the stream.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { TestRequest, TestResponse } from '../../support/internet.ts'
import { withoutCages } from '../support/cage.ts'
import { WITHOUT_PROXY } from '../support/session.ts'
import { PLACEHOLDER, SECRET, SECRET_NAME, World } from '../support/world.ts'

const EVENTS = ['one', 'two', 'three', `the secret is ${SECRET}`, 'last']

const CLIENT = `
  const base = 'https://' + process.argv.at(-1)
  const headers = { authorization: 'Bearer ' + process.env.API_TOKEN }
  const response = await fetch(base + '/events', { headers })
  let text = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const seen = text.split('\\n\\n').length - 1
    await fetch(base + '/seen/' + seen, { method: 'POST', headers })
  }
  console.log(JSON.stringify(text.split('\\n\\n')))
`

describe('server-sent events', { skip: withoutCages }, () => {
  let world: World

  before(async () => {
    world = await World.open(async (internet) => {
      for (const host of ['events.test', 'events-past.test']) await internet.server(host, { streaming: eventSource() })
    })
  })
  after(() => world.close())

  for (const [how, host, env] of [
    ['by the proxy', 'events.test', {}],
    ['captured', 'events-past.test', WITHOUT_PROXY],
  ] as const) {
    test(`each event arrives before the next is sent, ${how}`, async () => {
      const { code, stdout, stderr } = await world.cage.run(['node', '--input-type=module', '-e', CLIENT, host], {
        env,
      })
      assert.equal(code, 0, stderr)
      const expected = EVENTS.map((event) => `data: ${event.replace(SECRET, PLACEHOLDER)}`)
      assert.deepEqual(JSON.parse(stdout), [...expected, ''])
      const record = (await world.recordsOf(host)).find(({ path }) => path === '/events')
      assert.deepEqual(
        [record?.decision, record?.status, record?.secrets_injected, record?.secrets_redacted],
        ['allowed', 200, [SECRET_NAME], [SECRET_NAME]],
      )
    })
  }
})

/** `/events` sends the first event; `/seen/N` makes it send the one after the Nth. */
function eventSource(): (request: TestRequest, response: TestResponse) => void {
  let stream: TestResponse | undefined
  return (request, response) => {
    const seen = request.url === '/events' ? 0 : Number(request.url?.split('/').at(-1))
    if (seen === 0) {
      stream = response
      response.writeHead(request.headers.authorization === `Bearer ${SECRET}` ? 200 : 401, {
        'content-type': 'text/event-stream',
      })
    } else response.end()
    const event = EVENTS[seen]
    if (event === undefined) stream?.end()
    else stream?.write(`data: ${event}\n\n`)
  }
}
