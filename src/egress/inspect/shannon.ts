/** How often each byte value occurs: 256 counts. */
export type Histogram = Uint32Array

const LANES = 4

/** Below, four tables cost more to make than they save. */
const SHORT = 2048

/**
 * Counts every byte; nothing is sampled, for whoever knows the sample hides between its points.
 * Four tables, one for each byte of a word, so that equal neighbours do not wait for each other's increment.
 */
export function histogramOf(bytes: Uint8Array): Histogram {
  if (bytes.length < SHORT) return shortHistogram(bytes)
  const counts = new Uint32Array(256 * LANES)
  const lead = (LANES - (bytes.byteOffset % LANES)) % LANES
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset + lead, Math.floor((bytes.length - lead) / LANES))
  for (let index = 0; index < words.length; index++) {
    const word = words[index] as number
    counts[word & 255]!++
    counts[256 | ((word >>> 8) & 255)]!++
    counts[512 | ((word >>> 16) & 255)]!++
    counts[768 | (word >>> 24)]!++
  }
  for (let index = 0; index < lead; index++) counts[bytes[index] as number]!++
  for (let index = lead + words.length * LANES; index < bytes.length; index++) counts[bytes[index] as number]!++
  return folded(counts)
}

/** Shannon entropy in bits a byte: 0 for no bytes or equal ones, 8 where all 256 values are equally many. */
export function entropyOf(histogram: Histogram): number {
  let total = 0
  for (let value = 0; value < 256; value++) total += histogram[value] as number
  if (total === 0) return 0
  let bits = 0
  for (let value = 0; value < 256; value++) {
    const count = histogram[value] as number
    if (count === 0) continue
    const share = count / total
    bits -= share * Math.log2(share)
  }
  return Math.max(0, bits)
}

/**
 * Shannon entropy of the bytes, in bits a byte. `n` bytes have at most log2(n): random text of 40 characters
 * stays below 5.33 whatever it holds.
 */
export function shannonEntropy(bytes: Uint8Array): number {
  return entropyOf(histogramOf(bytes))
}

/** The sum of histograms: that of the bytes one after the other. */
export function mergedHistogram(histograms: readonly Histogram[]): Histogram {
  const [only] = histograms
  if (histograms.length === 1 && only !== undefined) return only
  const sum = new Uint32Array(256)
  for (const histogram of histograms) {
    for (let value = 0; value < 256; value++) sum[value]! += histogram[value] as number
  }
  return sum
}

function shortHistogram(bytes: Uint8Array): Histogram {
  const counts = new Uint32Array(256)
  for (let index = 0; index < bytes.length; index++) counts[bytes[index] as number]!++
  return counts
}

function folded(counts: Uint32Array): Histogram {
  const histogram = counts.subarray(0, 256)
  for (let index = 256; index < counts.length; index++) histogram[index & 255]! += counts[index] as number
  return histogram
}
