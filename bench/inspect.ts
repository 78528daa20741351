/**
 * How fast clean bodies are looked at by the whole chain, in MB/s: `node bench/inspect.ts [--no-write]`.
 * Besides JSON of four sizes, what makes more work: source code in JSON, an image in base64, a lockfile, escaped text.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { configSchema } from '../src/config/schema.ts'
import type { InspectionContext } from '../src/egress/inspect/inspector.ts'
import { makeRuling } from '../src/egress/ruling.ts'
import type { Hostname } from '../src/policy/host.ts'
import { median, writeResults } from './lab/results.ts'

const { values: flags } = parseArgs({ options: { 'no-write': { type: 'boolean', default: false } } })

const ROOT = join(import.meta.dirname, '..')
const SOURCE = readFileSync(join(ROOT, 'src/egress/inspect/chain.ts'), 'utf8')
const LOCKFILE = readFileSync(join(ROOT, 'package-lock.json'), 'utf8')

const BODIES: Readonly<Record<string, string>> = {
  'JSON, 1 kB': json(1000),
  'JSON, 100 kB': json(100_000),
  'JSON, 1 MB': json(1_000_000),
  'JSON, 10 MB': json(10_000_000),
  'source code in JSON, 1 MB': JSON.stringify({
    messages: [{ role: 'user', content: SOURCE.repeat(1_000_000 / SOURCE.length) }],
  }),
  'image in JSON, 1 MB': JSON.stringify({
    messages: [{ role: 'user', content: randomBytes(750_000).toString('base64') }],
  }),
  'lockfile in JSON': JSON.stringify({ messages: [{ role: 'user', content: LOCKFILE }] }),
  'escaped text, 1 MB': `{"text":"${String.raw`\u4f60\u597d, \u003cb\u003e \u0041`.repeat(25_000)}"}`,
}

const config = configSchema.parse({
  domains: { list: ['api.test'] },
  rate_limit: { requests_per_second: 0 },
  max_request_body: 100_000_000,
})
const { ruling } = await makeRuling(config, [], () => new Date())

console.log('| body | MB/s | µs a look |\n| --- | ---: | ---: |')
const results: Record<string, number> = {}
for (const [name, text] of Object.entries(BODIES)) {
  const body = Buffer.from(text)
  const seconds = median(await timings(contextOf(body)))
  results[name] = body.length / seconds / 1e6
  console.log(`| ${name} | ${results[name].toFixed(0)} | ${(seconds * 1e6).toFixed(0)} |`)
}
if (!flags['no-write']) await writeResults('inspect', { megabytesPerSecond: results })

/** Seconds for one look, several times. */
async function timings(context: InspectionContext): Promise<number[]> {
  const looks = Math.max(1, Math.ceil(10_000_000 / context.body.length))
  const seconds: number[] = []
  for (let round = 0; round < 7; round += 1) {
    const start = performance.now()
    for (let look = 0; look < looks; look += 1) {
      const { denial } = await ruling.chain.inspectRequest(context)
      if (denial !== undefined) throw new Error(`not clean: ${denial.message}`)
    }
    // The first round is for the compiler.
    if (round > 0) seconds.push((performance.now() - start) / 1000 / looks)
  }
  return seconds
}

function contextOf(body: Buffer): InspectionContext {
  return {
    direction: 'outbound',
    protocol: 'h2',
    method: 'POST',
    url: 'https://api.test/v1/messages',
    host: 'api.test' as Hostname,
    port: 443,
    path: '/v1/messages',
    contentType: 'application/json',
    priorResults: [],
    body,
    headers: [
      'Content-Type',
      'application/json',
      'User-Agent',
      'bench/1.0',
      'Accept',
      '*/*',
      'Authorization',
      'Bearer agentcage:secret:KEY:0',
    ],
  }
}

/** Records as an interface would send them, of about this many bytes. */
function json(bytes: number): string {
  const items = Array.from({ length: Math.ceil(bytes / 150) }, (_, id) => ({
    id,
    name: `Item number ${id}`,
    description: 'The quick brown fox jumps over the lazy dog, again and again.',
    price: id * 1.25,
    active: id % 2 === 0,
  }))
  return JSON.stringify({ items })
}
