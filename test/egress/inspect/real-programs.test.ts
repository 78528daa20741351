/**
 * What git, npm, pip and curl really send, and what agents send to models and services all day long, through a real
 * egress with every inspector on and twenty secrets to look for: nothing of it is blocked, and how much is flagged is
 * printed.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { run } from '../../support/command.ts'
import { serveGit } from '../../support/git-server.ts'
import type { Handler } from '../../support/internet.ts'
import { http2Request, http2Session } from '../../support/proxy-client.ts'
import { requireTool } from '../../support/requires.ts'
import { makeFolder } from '../../support/temporary.ts'
import { startBed, type Bed } from '../bed.ts'
import { openWebSocket, playWebSocket } from '../websocket/sockets.ts'
import * as files from './entropy-files.ts'

const ROOT = join(import.meta.dirname, '../../..')
const MODELS = 'api.anthropic.com'
const SECRETS = Object.fromEntries(
  Array.from({ length: 20 }, (_, index) => [`KEY_${index}`, `sk-${index}-${randomBytes(30).toString('base64url')}`]),
)

let folder: string
let bed: Bed
let env: Record<string, string | undefined>
const cleanUps: (() => unknown)[] = []

before(async () => {
  folder = await makeFolder()
  const registry = new Registry()
  bed = await startBed(
    { after: (step) => void cleanUps.push(step as () => unknown) },
    {
      hosts: {
        'github.com': { streaming: (request, response) => serveGit(join(folder, 'git'), request, response) },
        'api.github.com': ok,
        'registry.npmjs.org': registry.handler,
        'pypi.org': pythonIndex,
        'files.pythonhosted.org': async (_request, response) => void response.end(await readFile(join(folder, WHEEL))),
        'storage.example.com': ok,
        'live.example.com': {},
        [MODELS]: ok,
      },
      config: { secret_injection: Object.keys(SECRETS).map((name) => ({ env: name, inject_to: [MODELS] })) },
      secrets: SECRETS,
    },
  )
  const ca = join(folder, 'ca.pem')
  await writeFile(ca, bed.ca)
  const proxy = `http://${bed.proxy}`
  env = {
    PATH: process.env['PATH'],
    HOME: folder,
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    GIT_SSL_CAINFO: ca,
    GIT_CONFIG_NOSYSTEM: '1',
    CURL_CA_BUNDLE: ca,
    PIP_CERT: ca,
    npm_config_cafile: ca,
  }
})

after(async () => {
  for (const step of cleanUps) await step()
  await rm(folder, { recursive: true, force: true })
})

async function sh(script: string): Promise<void> {
  const { code, stdout, stderr } = await run('sh', ['-ec', script], { cwd: folder, env })
  assert.equal(code, 0, stdout + stderr)
}

const ok: Handler = (_request, response) => void response.end('{"ok":true}')

describe('programs', () => {
  test('git: clone, fetch and push, small and large', async (t) => {
    if (!requireTool(t, 'git')) return
    await mkdir(join(folder, 'git'))
    await cp(join(ROOT, 'src'), join(folder, 'seed/src'), { recursive: true })
    await writeFile(join(folder, 'seed/image.png'), files.png(400_000))
    await sh(`
      git config --global user.name 'A Person'; git config --global user.email person@example.org
      git config --global init.defaultBranch main
      git init -q --bare git/project.git; git -C git/project.git config http.receivepack true
      cd seed; git init -q; git add .; git commit -q -m first; git push -q ../git/project.git main
      cd ..; git clone -q https://github.com/project.git work; cd work
      for n in 1 2 3; do echo "line $n" >> notes.md; git add .; git commit -q -m "note $n"; git push -q; done
      head -c 1500000 /dev/urandom > large.bin; git add .; git commit -q -m large; git push -q
      git -C ../seed pull -q ../git/project.git main; git fetch -q; git ls-remote -q > /dev/null
    `)
    assert.ok(bed.records.some(({ path, status }) => path === '/project.git/git-receive-pack' && status === 200))
  })

  test('npm: publish, install and audit', async (t) => {
    if (!requireTool(t, 'npm')) return
    await cp(join(ROOT, 'src/policy'), join(folder, 'package/lib'), { recursive: true })
    await writeFile(join(folder, 'package/package.json'), '{"name":"tiny-test-package","version":"1.0.0"}')
    await cp(join(ROOT, 'package-lock.json'), join(folder, 'app/package-lock.json'))
    await cp(join(ROOT, 'package.json'), join(folder, 'app/package.json'))
    await mkdir(join(folder, 'other'))
    await writeFile(join(folder, 'other/package.json'), '{"name":"other","version":"1.0.0"}')
    await writeFile(join(folder, '.npmrc'), `//registry.npmjs.org/:_authToken=npm_${randomBytes(18).toString('hex')}\n`)
    await sh(`
      (cd package && npm publish --silent)
      (cd other && npm install --no-fund --no-audit --no-update-notifier tiny-test-package)
      (cd app && npm audit --no-update-notifier)
    `)
    const paths = bed.records.filter(({ host }) => host === 'registry.npmjs.org').map(({ method }) => method)
    assert.ok(
      ['PUT', 'GET', 'POST'].every((method) => paths.includes(method)),
      paths.join(' '),
    )
  })

  test('pip: download from the index', async (t) => {
    if (!requireTool(t, 'pip3', 'python3')) return
    await sh(`
      mkdir -p wheel/tiny_test-1.0.dist-info && echo 'x = 1' > wheel/tiny_test.py
      printf 'Metadata-Version: 2.1\\nName: tiny-test\\nVersion: 1.0\\n' > wheel/tiny_test-1.0.dist-info/METADATA
      printf 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n' > wheel/tiny_test-1.0.dist-info/WHEEL
      touch wheel/tiny_test-1.0.dist-info/RECORD
      (cd wheel && python3 -m zipfile -c ../${WHEEL} tiny_test.py tiny_test-1.0.dist-info)
      pip3 download -q --disable-pip-version-check --no-cache-dir --no-deps -d downloads tiny-test
    `)
    assert.ok(bed.records.some(({ host, status }) => host === 'files.pythonhosted.org' && status === 200))
  })

  test('curl: uploads of every kind', async (t) => {
    if (!requireTool(t, 'curl')) return
    await writeFile(join(folder, 'image.png'), files.png(300_000))
    await writeFile(join(folder, 'photo.jpg'), files.jpeg(200_000))
    await writeFile(join(folder, 'paper.pdf'), files.pdf(100_000))
    await cp(join(ROOT, 'package-lock.json'), join(folder, 'lock.json'))
    await writeFile(join(folder, 'lock.json.gz'), gzipSync(await readFile(join(folder, 'lock.json'))))
    const to = 'https://storage.example.com'
    await sh(`
      curl -sSf -F title='A picture' -F file=@image.png -F more=@photo.jpg -F paper=@paper.pdf ${to}/upload
      curl -sSf -T image.png -H 'Content-Type: image/png' ${to}/bucket/image.png
      curl -sSf -T photo.jpg -H 'Content-Type: image/jpeg' ${to}/bucket/photo.jpg
      curl -sSf --data-binary @lock.json -H 'Content-Type: application/json' ${to}/locks
      curl -sSf --data-binary @lock.json.gz -H 'Content-Type: application/json' -H 'Content-Encoding: gzip' ${to}/locks
      curl -sSf -d name=value -d 'text=some words & more' --data-urlencode 'note=ünï çødé' ${to}/form
      curl -sSf -G --data-urlencode 'q=how to list files' -d page=2 ${to}/search
      curl -sSf -X DELETE ${to}/bucket/image.png
    `)
  })
})

describe('a day of an agent', () => {
  test('a conversation with a model, with code, images, documents and tools, that grows turn by turn', async () => {
    const session = await http2Session(`https://${MODELS}`, { proxy: bed.proxy, ca: bed.ca })
    const messages: object[] = []
    const sources = await Promise.all(
      ['chain.ts', 'secrets.ts', 'entropy.ts', 'budget.ts'].map((name) =>
        readFile(join(ROOT, 'src/egress/inspect', name), 'utf8'),
      ),
    )
    for (let turn = 0; turn < 24; turn += 1) {
      messages.push(turnOf(turn, sources[turn % sources.length] ?? ''))
      const body = JSON.stringify({ model: 'claude', max_tokens: 4096, stream: true, tools: TOOLS, messages })
      const answer = await http2Request(
        session,
        {
          ':path': '/v1/messages?beta=true',
          ':method': 'POST',
          'content-type': 'application/json',
          'x-api-key': 'agentcage:secret:KEY_0:'.padEnd(55, '0'),
          'x-request-id': randomUUID(),
        },
        body,
      )
      assert.equal(answer.status, 200, answer.body.toString())
    }
    session.close()
  })

  test('pages, searches, hashes and identifiers of an API', async () => {
    const session = await http2Session('https://api.github.com', { proxy: bed.proxy, ca: bed.ca })
    const paths = Array.from({ length: 60 }, (_, index) => [
      `/repos/owner/project/issues?state=all&per_page=100&page=${index}`,
      `/repos/owner/project/commits/${createHash('sha1').update(`${index}`).digest('hex')}`,
      `/search/code?q=${encodeURIComponent(`function handler${index} language:typescript`)}`,
      `/repos/owner/project/contents/src/folder${index % 7}/file-${index}.ts?ref=${index.toString(16).padStart(7, 'a')}`,
      `/orgs/${randomUUID()}/runs/${1000 + index}`,
    ]).flat()
    for (const path of paths) {
      const { status } = await http2Request(session, {
        ':path': path,
        'x-request-id': randomUUID(),
        traceparent: traceOf(),
      })
      assert.equal(status, 200, path)
    }
    session.close()
  })

  test('telemetry and calls with small bodies', async () => {
    const session = await http2Session('https://storage.example.com', { proxy: bed.proxy, ca: bed.ca })
    const words = (await readFile(join(ROOT, 'README.md'), 'utf8')).split(/\s+/)
    for (let index = 0; index < 200; index += 1) {
      const bodies = [
        {
          jsonrpc: '2.0',
          id: index,
          method: 'tools/call',
          params: { name: 'read', path: `src/${words[index % words.length]}.ts` },
        },
        { event: 'token', id: randomUUID(), token: words[(index * 7) % words.length], index },
        { span: randomBytes(8).toString('hex'), trace: randomBytes(16).toString('hex'), ms: index * 1.5 },
      ]
      const body = JSON.stringify(bodies[index % bodies.length])
      const { status } = await http2Request(
        session,
        { ':path': '/rpc', ':method': 'POST', 'content-type': 'application/json' },
        body,
      )
      assert.equal(status, 200, body)
    }
    session.close()
  })

  test('messages of a WebSocket', async () => {
    const server = playWebSocket(bed.server('live.example.com').server)
    const client = await openWebSocket(bed, 'wss://live.example.com/live')
    const peer = await server.next()
    const text = (await readFile(join(ROOT, 'docs/explain/security-model.md'), 'utf8')).match(/.{1,12}/gs) ?? []
    for (const [index, delta] of text.slice(0, 400).entries()) {
      client.socket.send(JSON.stringify({ type: 'delta', index, delta }))
      assert.equal((await peer.ear.next()).kind, 'text', delta)
    }
    for (let index = 0; index < 50; index += 1) {
      client.socket.send(JSON.stringify({ type: 'audio', data: randomBytes(960).toString('base64') }))
      assert.equal((await peer.ear.next()).kind, 'text')
    }
    client.socket.close()
    await bed.record(({ protocol }) => protocol === 'websocket')
  })
})

test('the rate of false alarms', (t) => {
  const judged = bed.records.filter(({ host }) => host !== '')
  const blocked = judged.filter(({ decision }) => decision === 'blocked')
  const flagged = judged.filter(({ decision }) => decision === 'flagged')
  t.diagnostic(`of ${judged.length} requests ${blocked.length} blocked, ${flagged.length} flagged`)
  for (const { host, method, path, reason } of flagged) t.diagnostic(`${method} ${host}${path.slice(0, 60)}: ${reason}`)
  assert.deepEqual(blocked, [])
  assert.ok(flagged.length <= judged.length * MOST_FLAGGED)
})

/** Random data may look like anything now and then. */
const MOST_FLAGGED = 0.01

const WHEEL = 'tiny_test-1.0-py3-none-any.whl'

const TOOLS = ['bash', 'read', 'edit', 'search'].map((name) => ({
  name,
  description: `Runs ${name} in the project.`,
  input_schema: { type: 'object', properties: { command: { type: 'string' } }, required: ['command'] },
}))

function turnOf(turn: number, source: string): object {
  const id = `toolu_${randomBytes(12).toString('hex')}`
  const result = { type: 'tool_result', tool_use_id: id, content: source }
  const text = { type: 'text', text: `Turn ${turn}: please look at this and fix what is wrong with it.` }
  const image = {
    type: 'image',
    source: { type: 'base64', media_type: 'image/png', data: files.png(80_000).toString('base64') },
  }
  const paper = {
    type: 'document',
    source: { type: 'base64', media_type: 'application/pdf', data: files.pdf(40_000).toString('base64') },
  }
  return { role: 'user', content: turn % 8 === 3 ? [text, image] : turn % 8 === 6 ? [text, paper] : [text, result] }
}

function traceOf(): string {
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`
}

function pythonIndex(...[, response]: Parameters<Handler>): void {
  const file = `https://files.pythonhosted.org/packages/ab/cd/${'0123456789abcdef'.repeat(3)}/${WHEEL}`
  response.setHeader('content-type', 'text/html')
  response.end(`<!DOCTYPE html><html><body><a href="${file}">${WHEEL}</a></body></html>`)
}

/** What npm needs of a registry: publish, metadata, tarball, advisories. */
class Registry {
  readonly #packages = new Map<string, Record<string, unknown>>()
  readonly #tarballs = new Map<string, Buffer>()

  readonly handler: Handler = (_request, response, { method, url, body }) => {
    const path = decodeURIComponent(url)
    response.setHeader('content-type', 'application/json')
    if (method === 'PUT') {
      const document = JSON.parse(body.toString()) as {
        readonly _attachments: Record<string, { readonly data: string }>
      }
      const { _attachments: attachments, ...metadata } = document
      this.#packages.set(path, metadata)
      for (const [name, { data }] of Object.entries(attachments)) this.#tarballs.set(name, Buffer.from(data, 'base64'))
      response.end('{}')
    } else if (method === 'POST') response.end('{}')
    else if (this.#packages.has(path)) response.end(JSON.stringify(this.#packages.get(path)))
    else {
      const tarball = this.#tarballs.get(path.split('/').at(-1) ?? '')
      if (tarball === undefined) response.writeHead(404).end('{}')
      else response.setHeader('content-type', 'application/octet-stream').end(tarball)
    }
  }
}
