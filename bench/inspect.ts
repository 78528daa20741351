/**
 * How fast what leaves is looked at and what comes back is redacted, and how long the domain policy takes:
 * `node bench/inspect.ts [--no-write]`. Clean bodies of four sizes and of kinds that make more work, with 20 and 1000
 * secrets and with 10 and 100 000 entries in the allowlist.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { configSchema, type Config } from '../src/config/schema.ts'
import type { InspectionContext } from '../src/egress/inspect/inspector.ts'
import { makeRuling } from '../src/egress/ruling.ts'
import type { SecretBinding } from '../src/egress/secrets/binding.ts'
import type { Hostname } from '../src/policy/host.ts'
import type { Placeholder } from '../src/secrets/placeholders.ts'
import { Secret } from '../src/secrets/secret.ts'
import { openLoopback } from './lab/loopback.ts'
import { median, writeResults } from './lab/results.ts'

const { values: flags } = parseArgs({ options: { 'no-write': { type: 'boolean', default: false } } })

const ROOT = join(import.meta.dirname, '..')
const HOST = 'api.test' as Hostname
const SECRETS = [20, 1000] as const
const ENTRIES = [10, 100_000] as const
const SIZES = { '1 kB': 1000, '100 kB': 100_000, '1 MB': 1_000_000, '10 MB': 10_000_000 } as const

const figures = {
  look: await looks(),
  kinds: await kinds(),
  domainMicroseconds: await decisions(),
  redactMegabytesPerSecond: await redaction(),
  requestShare: await shares(),
}
if (!flags['no-write']) await writeResults('inspect', figures)

/** Clean JSON through every inspector. */
async function looks(): Promise<Record<string, number>> {
  console.log('| clean JSON | secrets | entries | MB/s | µs a look |\n| --- | ---: | ---: | ---: | ---: |')
  const results: Record<string, number> = {}
  for (const secrets of SECRETS) {
    for (const entries of ENTRIES) {
      const look = await lookFor(secrets, entries)
      for (const [name, size] of Object.entries(SIZES)) {
        const body = json(size)
        const seconds = await secondsOf(() => look(body), body.length)
        results[`${name}, ${secrets} secrets, ${entries} entries`] = rate(body, seconds)
        console.log(`| ${name} | ${secrets} | ${entries} | ${rate(body, seconds)} | ${(seconds * 1e6).toFixed(0)} |`)
      }
    }
  }
  return results
}

async function kinds(): Promise<Record<string, number>> {
  console.log('\n| body | MB/s |\n| --- | ---: |')
  const source = readFileSync(join(ROOT, 'src/egress/inspect/chain.ts'), 'utf8')
  const lockfile = readFileSync(join(ROOT, 'package-lock.json'), 'utf8')
  const bodies: Readonly<Record<string, Buffer>> = {
    'source code in JSON, 1 MB': message(source.repeat(1_000_000 / source.length)),
    'image in JSON, 1 MB': message(randomBytes(750_000).toString('base64')),
    'lockfile in JSON': message(lockfile),
    'escaped text, 1 MB': Buffer.from(`{"text":"${String.raw`\u4f60\u597d, \u003cb\u003e \u0041`.repeat(25_000)}"}`),
  }
  const look = await lookFor(20, 10)
  const results: Record<string, number> = {}
  for (const [name, body] of Object.entries(bodies)) {
    results[name] = rate(body, await secondsOf(() => look(body), body.length))
    console.log(`| ${name} | ${results[name]} |`)
  }
  return results
}

/** Every third host is allowed, one below an entry, one not at all. */
async function decisions(): Promise<Record<string, number>> {
  console.log('\n| entries | µs a decision |\n| ---: | ---: |')
  const results: Record<string, number> = {}
  const now = new Date()
  for (const entries of [10, 1000, 100_000]) {
    const { ruling } = await makeRuling(configOf(entries), [], () => now)
    const hosts = [`host${entries - 2}.test`, 'a.b.c.host1.test', 'not.listed.example.com'] as Hostname[]
    const seconds = await secondsOf(() => {
      for (let count = 0; count < 1000; count += 1)
        ruling.policy.decide({ host: hosts[count % 3] as Hostname, port: 443, method: 'GET', path: '/' }, now)
    }, 200_000)
    results[entries] = seconds * 1000
    console.log(`| ${entries} | ${(seconds * 1000).toFixed(2)} |`)
  }
  return results
}

/** A response in chunks as they come from a socket. */
async function redaction(): Promise<Record<string, number>> {
  console.log('\n| redaction of JSON | MB/s |\n| --- | ---: |')
  const results: Record<string, number> = {}
  const body = json(10_000_000)
  for (const count of SECRETS) {
    const { ruling } = await makeRuling(configOf(10), bindings(count), () => new Date())
    const seconds = await secondsOf(() => {
      const redactor = ruling.secrets.bodyRedactor()
      for (let at = 0; at < body.length; at += 65_536) redactor.push(body.subarray(at, at + 65_536))
      redactor.end()
    }, body.length)
    results[count] = rate(body, seconds)
    console.log(`| ${count} secrets | ${results[count]} |`)
  }
  return results
}

/** Of the processor time of a request through the egress, with that of its client and its server. */
async function shares(): Promise<Record<string, number>> {
  console.log('\n| body of a request | ms | share of the looks |\n| --- | ---: | ---: |')
  const results: Record<string, number> = {}
  const look = await lookFor(20, 10)
  await using loopback = await openLoopback(configOf(10), bindings(20), HOST)
  for (const [name, size] of Object.entries(SIZES)) {
    const body = json(size)
    const looking = await secondsOf(() => look(body), size)
    const seconds = await secondsOf(() => loopback.post(body), size * 2)
    results[name] = looking / seconds
    console.log(`| ${name} | ${(seconds * 1000).toFixed(2)} | ${((100 * looking) / seconds).toFixed(0)} % |`)
  }
  return results
}

async function lookFor(secrets: number, entries: number): Promise<(body: Buffer) => Promise<void>> {
  const { ruling } = await makeRuling(configOf(entries), bindings(secrets), () => new Date())
  return async (body) => {
    const { denial } = await ruling.chain.inspectRequest(contextOf(body))
    if (denial !== undefined) throw new Error(`not clean: ${denial.message}`)
  }
}

/**
 * Processor time of one call: the median of rounds of about 10 MB, after one for the compiler. Not time by the clock, of
 * which a shared machine gives as much as it likes.
 */
async function secondsOf(work: () => unknown, bytes: number): Promise<number> {
  const calls = Math.max(1, Math.ceil(10_000_000 / bytes))
  const seconds: number[] = []
  for (let round = 0; round < 6; round += 1) {
    const start = process.cpuUsage()
    for (let call = 0; call < calls; call += 1) await work()
    const { user, system } = process.cpuUsage(start)
    if (round > 0) seconds.push((user + system) / 1e6 / calls)
  }
  return median(seconds)
}

/** Megabytes (10^6) per second. */
function rate(body: Buffer, seconds: number): number {
  return Math.round(body.length / seconds / 1e6)
}

function configOf(entries: number): Config {
  const list = [HOST, ...Array.from({ length: entries - 1 }, (_, index) => `host${index}.test`)]
  const domains = { list: list.map((host) => ({ host })) }
  return configSchema.parse({ domains, rate_limit: { requests_per_second: 0 }, max_request_body: 100_000_000 })
}

function bindings(count: number): readonly SecretBinding[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `KEY_${index}`,
    placeholder: `agentcage:secret:KEY_${index}:${randomBytes(16).toString('hex')}` as Placeholder,
    value: new Secret(
      `KEY_${index}`,
      `sk-${['ant', 'or', 'live', 'proj'][index % 4]}-${randomBytes(30).toString('base64url')}`,
    ),
    injectTo: [{ host: HOST }],
    injectHeaders: new Set<string>(),
    injectBody: false,
  }))
}

function contextOf(body: Buffer): InspectionContext {
  return {
    direction: 'outbound',
    protocol: 'h2',
    method: 'POST',
    url: 'https://api.test/v1/messages',
    host: HOST,
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

function message(content: string): Buffer {
  return Buffer.from(JSON.stringify({ messages: [{ role: 'user', content }] }))
}

/** Records as an interface would send them, of about this many bytes. */
function json(bytes: number): Buffer {
  const items = Array.from({ length: Math.ceil(bytes / 150) }, (_, id) => ({
    id,
    name: `Item number ${id}`,
    description: 'The quick brown fox jumps over the lazy dog, again and again.',
    price: id * 1.25,
    active: id % 2 === 0,
  }))
  return Buffer.from(JSON.stringify({ items }))
}
