import { isUtf8 } from 'node:buffer'
import { isWithin, type Hostname } from '../../policy/host.ts'
import { base64Text, type Base64Run } from './content-type-base64.ts'
import { isArchive, isEmbeddable, type Sample } from './content-type-signatures.ts'
import { hostKey } from './entropy-exempt.ts'

/** Hosts of models, which take pictures, sound and documents as base64 and want their own tokens back. */
const MODEL_APIS: readonly Hostname[] = [
  'anthropic.com',
  'openai.com',
  'openai.azure.com',
  'services.ai.azure.com',
  'generativelanguage.googleapis.com',
  'aiplatform.googleapis.com',
  'openrouter.ai',
  'mistral.ai',
  'groq.com',
  'x.ai',
  'deepseek.com',
  'together.xyz',
  'fireworks.ai',
  'cohere.com',
  'perplexity.ai',
  'githubcopilot.com',
  'models.github.ai',
  'router.huggingface.co',
].map(hostKey)

/** `bedrock-runtime.us-east-1.amazonaws.com`: the zone alone would be every bucket. */
const BEDROCK = /^bedrock-runtime(?:-fips)?\.[a-z0-9-]{1,32}\.amazonaws\.com$/

/** `npm publish` sends the package as base64 in JSON. */
const NPM: readonly Hostname[] = ['registry.npmjs.org', 'npm.pkg.github.com'].map(hostKey)

/** Opaque tokens that models hand out with their reasoning and expect back with the next request. */
const MODEL_TOKEN = /"(?:signature|encrypted_content|thoughtSignature|thought_signature|data)"\s{0,4}:\s{0,4}"$/
const REDACTED = /"type"\s{0,4}:\s{0,4}"redacted_thinking"\s{0,4},/

/** Longer ones are not tokens, keys or signatures. */
const LONGEST_TOKEN = 65_536
const LONGEST_KEY = 8192
/** RSA with 8192 bits. */
const LONGEST_SIGNATURE = 1366

const BEFORE_BYTES = 96

/** Long base64 text that ordinary work is full of. What is exempt is looked at, not taken at its word. */
export class KnownBase64 {
  readonly #modelHosts: readonly Hostname[]

  /** `modelHosts`: hosts to treat like those of models. */
  constructor(modelHosts: readonly string[]) {
    this.#modelHosts = [...MODEL_APIS, ...modelHosts.map(hostKey)]
  }

  isKnown(host: Hostname, bytes: Buffer, run: Base64Run): boolean {
    const before = bytes.toString('latin1', Math.max(0, run.start - BEFORE_BYTES), run.start)
    if (isPublic(bytes, run, before) || isSourceMap(bytes, run, before)) return true
    if (NPM.some((zone) => isWithin(host, zone)) && isArchive(sampleOf(bytes, run))) return true
    if (!this.#modelHosts.some((zone) => isWithin(host, zone)) && !BEDROCK.test(host)) return false
    return isModelToken(run, before) || isEmbeddable(sampleOf(bytes, run))
  }
}

function isModelToken({ characters }: Base64Run, before: string): boolean {
  const key = MODEL_TOKEN.exec(before)?.[0]
  if (key === undefined || characters > LONGEST_TOKEN) return false
  return !key.startsWith('"data"') || REDACTED.test(before)
}

/** Certificates, public SSH keys, signatures, and JSON Web Tokens, which the search for secrets looks at. */
function isPublic(bytes: Buffer, run: Base64Run, before: string): boolean {
  if (run.characters > LONGEST_KEY) return false
  if (
    /-----BEGIN (?:CERTIFICATE|PUBLIC KEY|PGP SIGNATURE|SSH SIGNATURE|PGP PUBLIC KEY BLOCK)-----(?:\s|\\[nr])*$/.test(
      before,
    )
  )
    return true
  const start = base64Text(bytes, run, 256)
  if (/^AAAA(?:B3NzaC1yc2E|B3NzaC1kc3M|C3NzaC1lZDI1NTE5|E2VjZHNhLXNoYTI)/.test(start)) return true
  if (start.startsWith('eyJ') && isJson(start)) return before.endsWith('.') || bytes[run.end] === 0x2e
  return before.endsWith('.') && run.characters <= LONGEST_SIGNATURE && isBehindToken(bytes, run)
}

/** Whether it is the third part of a JSON Web Token. */
function isBehindToken(bytes: Buffer, { start }: Base64Run): boolean {
  const before = bytes.toString('latin1', Math.max(0, start - LONGEST_KEY), start - 1)
  const payload = before.slice(before.lastIndexOf('.') + 1)
  return /^eyJ[A-Za-z0-9_-]+$/.test(payload) && isJson(payload.slice(0, 256))
}

/** A map inside of a script, for it is JSON of version 3 with names of sources. */
function isSourceMap(bytes: Buffer, run: Base64Run, before: string): boolean {
  if (!/sourceMappingURL=data:application\/json;(?:charset=utf-8;)?base64,$/.test(before)) return false
  return /^\{\s*"version"\s*:\s*3\s*,/.test(decodedStart(base64Text(bytes, run, 256)).toString('latin1'))
}

function isJson(text: string): boolean {
  const start = decodedStart(text)
  return /^\{\s*"/.test(start.toString('latin1', 0, 16)) && isUtf8(start.subarray(0, start.lastIndexOf('"') + 1))
}

/** The run's first and last decoded bytes. Its size is what base64 without padding has. */
function sampleOf(bytes: Buffer, run: Base64Run): Sample {
  const size = Math.floor((run.characters * 3) / 4)
  const tailText = base64Text(bytes, run, 1024, 'end')
  // The tail starts where the run's groups of four do.
  const skip = (4 - ((run.characters - tailText.length) % 4)) % 4
  return { head: decodedStart(base64Text(bytes, run, 5600)), tail: Buffer.from(tailText.slice(skip), 'base64'), size }
}

function decodedStart(text: string): Buffer {
  return Buffer.from(text.slice(0, text.length - (text.length % 4 === 1 ? 1 : 0)), 'base64')
}
