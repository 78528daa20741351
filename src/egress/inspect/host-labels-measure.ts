import { shannonEntropy } from './shannon.ts'

/** Longer labels are rare; those of CDNs and buckets, named by a hash of 32 digits, are below. */
const LONG_LABEL = 40

/** Longer than the labels of ordinary names together; a name has at most 253 bytes. */
const LONG_NAME = 100

/**
 * Of all pairs of neighbours, those of a digit and a letter: 0.47 in hexadecimal, 0.30 in base32, 0.05 in words with
 * numbers. Bits a letter: words have under 4.2, base32 of this length 4.4.
 */
const RANDOM = { changes: 0.25, letters: 4.25 } as const

/** Both together say as much. */
const LIKELY = { changes: 0.12, entropy: 4.15 } as const

/** The labels of `host` below `zone`, '' when there are none. */
export function labelsBelow(host: string, zone: string): string {
  return host.length > zone.length ? host.slice(0, host.length - zone.length - 1) : ''
}

/** Why labels look like data, or undefined: one that is long and random, or many that are so together. Pure. */
export function suspiciousLabels(labels: string): string | undefined {
  if (labels.length <= LONG_LABEL) return undefined
  for (const label of labels.split('.')) {
    if (label.length > LONG_LABEL && isRandom(label)) return reason(label)
  }
  const together = labels.replaceAll('.', '')
  return together.length > LONG_NAME && isRandom(together) ? reason(together) : undefined
}

function reason(text: string): string {
  return `high entropy host label: ${entropyOfText(text).toFixed(2)} (${text.length} characters)`
}

function isRandom(text: string): boolean {
  const changes = (text.match(/[0-9](?=[a-z])|[a-z](?=[0-9])/g)?.length ?? 0) / (text.length - 1)
  if (changes >= RANDOM.changes || entropyOfText(text.replace(/[^a-z]/g, '')) >= RANDOM.letters) return true
  return changes >= LIKELY.changes && entropyOfText(text) >= LIKELY.entropy
}

function entropyOfText(text: string): number {
  return shannonEntropy(Buffer.from(text))
}
