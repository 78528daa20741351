import { closeSync, constants, openSync, readSync } from 'node:fs'
import { isAsExpected, mountTable, type ExpectedMount } from './launch-mounts.ts'

interface Wanted {
  readonly expected: ExpectedMount
}

/**
 * What a running cage has mounted. A process of it is asked for once, while it is known to be one: descriptors name the
 * cage from then on, whatever becomes of the process and its id. It keeps the mounts alive until it is disposed of.
 */
export class MountView implements Disposable {
  readonly #root: number
  readonly #mountinfo: number
  readonly #namespace: number
  /** What it read when nothing was missing. */
  #intact: string | undefined

  constructor(pid: number) {
    this.#root = openSync(`/proc/${pid}/root`, constants.O_RDONLY | constants.O_DIRECTORY)
    this.#mountinfo = openSync(`/proc/${pid}/mountinfo`, 'r')
    this.#namespace = openSync(`/proc/${pid}/ns/mnt`, 'r')
  }

  /** For processes of this user. */
  get namespace(): string {
    return `/proc/${process.pid}/fd/${this.#namespace}`
  }

  /** Those that are not there. Quick where nothing was mounted or detached since all were: always ask for the same. */
  missing<T extends Wanted>(wanted: readonly T[]): readonly T[] {
    const mountinfo = readFromStart(this.#mountinfo)
    if (mountinfo === this.#intact) return []
    const missing = this.#missingIn(mountinfo, wanted)
    this.#intact = missing.length === 0 ? mountinfo : undefined
    return missing
  }

  has(wanted: Wanted): boolean {
    return this.#missingIn(readFromStart(this.#mountinfo), [wanted]).length === 0
  }

  #missingIn<T extends Wanted>(mountinfo: string, wanted: readonly T[]): readonly T[] {
    const mounted = mountTable(mountinfo)
    return wanted.filter(({ expected }) => !isAsExpected(mounted, expected, `/proc/self/fd/${this.#root}`))
  }

  [Symbol.dispose](): void {
    for (const descriptor of [this.#root, this.#mountinfo, this.#namespace]) closeSync(descriptor)
  }
}

/** The kernel writes it anew for who reads from its start. */
function readFromStart(descriptor: number): string {
  const chunks: Buffer[] = []
  for (let position = 0; ;) {
    const buffer = Buffer.allocUnsafe(65_536)
    const length = readSync(descriptor, buffer, 0, buffer.length, position)
    if (length === 0) return Buffer.concat(chunks).toString('utf8')
    chunks.push(buffer.subarray(0, length))
    position += length
  }
}
