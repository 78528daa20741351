import { isUtf8 } from 'node:buffer'
import { pacedBase64Runs } from './content-type-base64.ts'
import { KnownBase64 } from './content-type-known.ts'
import type { BodyPart } from './decode/body-parts.ts'
import { partsOf } from './decode/context-views.ts'
import { hasFlag } from './entropy.ts'
import { PASS, type InspectionContext, type Inspector, type Verdict } from './inspector.ts'
import { paced, PACED_TIME_LIMIT } from './pace.ts'
import type { Histogram } from './shannon.ts'
import type { Steps } from './steps.ts'

export interface ContentTypeSettings {
  readonly action: 'flag' | 'block'
  /** The shortest base64 text that is reported, in characters. */
  readonly base64_min_len: number
  /** Hosts, with their subdomains, that take pictures and documents as base64, beside the known ones. */
  readonly model_hosts: readonly string[]
}

const NAME = 'content-type'

/** Text of any language, code and base64 have less, in bits a byte. */
const TEXT_ENTROPY = 6.5

/** What claims to be text. Compared in lower case: `Application/JSON` is the same claim. */
const TEXT =
  /^(?:text\/|application\/(?:json|xml|x-www-form-urlencoded|x-ndjson|jsonl|graphql|javascript)|multipart\/form-data|[\w.+-]+\/[\w.-]+\+(?:json|xml)$)/

/** Whether bodies are what they say: text that is not text, and data that travels as base64 inside of text. */
export function contentTypeInspector(settings: ContentTypeSettings): Inspector {
  const known = new KnownBase64(settings.model_hosts)

  function inspect(context: InspectionContext): Verdict | Promise<Verdict> {
    return context.direction === 'inbound' || context.body.length === 0 ? PASS : paced(judge(context))
  }

  function* judge(context: InspectionContext): Steps<Verdict> {
    for (const part of partsOf(context)) {
      yield part.bytes.length
      const reason = TEXT.test(part.type) ? (mismatch(part) ?? (yield* blob(context, part))) : undefined
      if (reason !== undefined) return { kind: settings.action, reason, severity: 'warning' }
    }
    return PASS
  }

  function* blob({ host }: InspectionContext, { bytes, type }: BodyPart): Steps<string | undefined> {
    for (const run of pacedBase64Runs(bytes, settings.base64_min_len)) {
      if (typeof run === 'number') yield run
      else if (!known.isKnown(host, bytes, run)) return `large base64 blob (${run.characters} chars) in ${type} body`
    }
    return undefined
  }

  return {
    name: NAME,
    timeLimit: PACED_TIME_LIMIT,
    inspectRequest: inspect,
    inspectMessage: (context) => (settings.action === 'flag' && hasFlag(context, NAME, '') ? PASS : inspect(context)),
  }
}

function mismatch(part: BodyPart): string | undefined {
  if (part.isPlain) return undefined
  const { type, bytes, histogram, entropy } = part
  if (entropy <= TEXT_ENTROPY || (isUtf8(bytes) && !hasControls(histogram))) return undefined
  return `content-type mismatch: ${type} declared but body entropy is ${entropy.toFixed(2)} (expected <${TEXT_ENTROPY})`
}

/** Text that mixes scripts can be that varied, but has no control characters but tabs and line ends. */
function hasControls(histogram: Histogram): boolean {
  for (let value = 0; value < 0x20; value++) {
    if (value !== 0x09 && value !== 0x0a && value !== 0x0c && value !== 0x0d && (histogram[value] as number) > 0)
      return true
  }
  return (histogram[0x7f] as number) > 0
}
