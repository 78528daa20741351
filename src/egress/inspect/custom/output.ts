import { StringDecoder } from 'node:string_decoder'
import type { Worker } from 'node:worker_threads'
import { printable } from '../../../system/printable.ts'
import { TokenBucket } from '../../../policy/token-bucket.ts'

const LONGEST_LINE = 500

/** Lines in a second, and at once: somebody who prints each request must not fill a disk. */
const PER_SECOND = 10
const AT_ONCE = 50

/** What a thread prints becomes lines for the operator: standard output is not the program's. */
export function relayOutput(worker: Worker, print: (line: string) => void): void {
  const bucket = new TokenBucket(PER_SECOND, AT_ONCE, performance.now())
  for (const stream of [worker.stdout, worker.stderr]) {
    const decoder = new StringDecoder('utf8')
    let held = ''
    stream.on('data', (chunk: Buffer) => {
      const lines = (held + decoder.write(chunk)).split('\n')
      held = (lines.pop() ?? '').slice(0, LONGEST_LINE)
      for (const line of lines)
        if (line !== '' && bucket.take(performance.now())) print(printable(line.slice(0, LONGEST_LINE)))
    })
  }
}
