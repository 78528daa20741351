import { once } from 'node:events'
import type { Output } from '../io.ts'

/** Writes, and waits where the reader is slower: a log of gigabytes must not pile up in memory. */
export async function print(stream: Output, text: string): Promise<void> {
  if (!stream.write(text)) await once(stream, 'drain')
}
