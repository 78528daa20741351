import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, createReadStream, fstatSync, openSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { isatty } from 'node:tty'
import type { LaunchOptions } from '../isolation/process/launch.ts'
import { hasTerminal } from '../isolation/process/launch-terminal.ts'
import { requireProgram } from '../isolation/process/launch-programs.ts'

type Stdio = LaunchOptions['stdio']

/** Standard streams that are safe to hand to a workload. */
export interface RelayedStdio extends Disposable {
  readonly stdio: Stdio
  /** To be called once the workload has them: from then on its end is theirs. */
  release(): void
  /** When all that the workload wrote has been written on. To be awaited after its end. */
  readonly drained: Promise<unknown>
}

/**
 * Puts a pipe in front of each standard stream that is a file or a folder. Whoever holds an open file can open it again
 * by `/proc/self/fd/N` with other rights than it was given with, because permissions are checked and mounts are not:
 * input from a file could be overwritten, what stands in a log could be read and cut off, and from a folder `..` leads
 * to the whole host. The same for terminals that output goes to when the workload has none.
 */
export async function relayFiles(stdio: Stdio): Promise<RelayedStdio> {
  const keepsTerminal = hasTerminal(stdio[0])
  const [input, output, errors] = stdio.map((entry, index) => {
    const isRelayed = isFile(entry, index) || (!keepsTerminal && isOutputTerminal(entry, index))
    return isRelayed ? fileOf(entry, index) : undefined
  })
  const wanted = [input, output, errors].filter((descriptor) => descriptor !== undefined)
  if (wanted.length === 0) return { stdio, release: () => {}, drained: Promise.resolve(), [Symbol.dispose]: () => {} }
  const pipes = new Pipes()
  try {
    const entries: [Stdio[0], Stdio[1], Stdio[2]] = [...stdio]
    if (input !== undefined) entries[0] = fstatSync(input).isDirectory() ? 'ignore' : await pipes.from(input)
    if (output !== undefined) entries[1] = await pipes.to(output)
    // What goes to one file must arrive in the order in which it was written.
    if (errors !== undefined) entries[2] = isSame(output, errors) ? entries[1] : await pipes.to(errors)
    return {
      stdio: entries,
      release: () => pipes.release(),
      drained: pipes.drained(),
      [Symbol.dispose]: () => pipes[Symbol.dispose](),
    }
  } catch (error) {
    pipes[Symbol.dispose]()
    throw error
  }
}

function fileOf(entry: Stdio[number], index: number): number {
  return typeof entry === 'number' ? entry : index
}

/** From a terminal that output goes to, a workload that has no terminal could read what its user types to others. */
function isOutputTerminal(entry: Stdio[number], index: number): boolean {
  return index > 0 && (entry === 'inherit' || typeof entry === 'number') && isatty(fileOf(entry, index))
}

/** A terminal that the workload has, pipes, sockets and devices give no more when they are opened again. */
function isFile(entry: Stdio[number], index: number): boolean {
  if (entry !== 'inherit' && typeof entry !== 'number') return false
  const stats = fstatSync(fileOf(entry, index))
  return stats.isFile() || stats.isDirectory()
}

function isSame(first: number | undefined, second: number): boolean {
  if (first === undefined) return false
  const [one, other] = [fstatSync(first), fstatSync(second)]
  return one.dev === other.dev && one.ino === other.ino
}

/** Pipes between files of ours and a workload. */
class Pipes implements Disposable {
  readonly #theirs = new Set<number>()
  readonly #sockets: Socket[] = []
  readonly #outputs: Promise<void>[] = []

  /** The end to read from of a pipe that gets the file's content. */
  async from(file: number): Promise<number> {
    const { ours, theirs } = await this.#make('input')
    const content = createReadStream('', { fd: file, autoClose: false })
    // The workload need not read all of it, nor any.
    ours.on('error', () => {}).on('close', () => content.destroy())
    content.on('error', () => ours.destroy())
    content.pipe(ours)
    return theirs
  }

  /** The end to write to of a pipe whose content goes to the file. */
  async to(file: number): Promise<number> {
    const { ours, theirs } = await this.#make('output')
    this.#outputs.push(new Promise((resolve) => void ours.once('close', resolve)))
    ours.on('error', () => {})
    ours.on('data', (chunk: Buffer) => {
      try {
        writeAll(file, chunk)
      } catch {
        ours.destroy() // A full disk: the workload learns of it as of a pipe that nobody reads.
      }
    })
    return theirs
  }

  async drained(): Promise<void> {
    await Promise.all(this.#outputs)
  }

  release(): void {
    for (const descriptor of this.#theirs) closeSync(descriptor)
    this.#theirs.clear()
  }

  [Symbol.dispose](): void {
    this.release()
    for (const socket of this.#sockets) socket.destroy()
  }

  async #make(direction: 'input' | 'output'): Promise<{ readonly ours: Socket; readonly theirs: number }> {
    const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants
    const isInput = direction === 'input'
    const [ours, theirs] = await makePipe((path) => {
      // Ours does not block this process, theirs must block the workload. Without a reader there is nothing to write to.
      const reading = openSync(path, isInput ? O_RDONLY : O_RDONLY | O_NONBLOCK)
      const writing = openSync(path, isInput ? O_WRONLY | O_NONBLOCK : O_WRONLY)
      return isInput ? [writing, reading] : [reading, writing]
    })
    this.#theirs.add(theirs)
    const socket = new Socket({ fd: ours, readable: !isInput, writable: isInput })
    this.#sockets.push(socket)
    return { ours: socket, theirs }
  }
}

/** A pipe whose both ends block: the one to read from, the one to write to. Who asks closes them. */
export async function openPipe(): Promise<readonly [reading: number, writing: number]> {
  return makePipe((path) => {
    const reading = openSync(path, constants.O_RDONLY)
    return [reading, openSync(path, constants.O_WRONLY)]
  })
}

/** Prints the process id of who has a pipe as its standard output, and keeps that until its input ends. */
const PIPE_MAKER = "{ sh -c 'echo $PPID >&3'; read _; } | :"

/**
 * Node makes no pipes: what it calls so are sockets, which cannot be opened as `/dev/stdin` or `/dev/stdout`, and a
 * named one waits for its other end when it is. A shell makes one; `open` gets the path of it, to open both ends.
 */
async function makePipe(open: (path: string) => readonly [number, number]): Promise<readonly [number, number]> {
  const shell = spawn(requireProgram('sh'), ['-c', PIPE_MAKER], {
    stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
    env: {},
  })
  try {
    const line = await Promise.race([once(shell.stdio[3] as Readable, 'data'), once(shell, 'exit')])
    return open(`/proc/${Number(String(line[0]))}/fd/1`)
  } finally {
    shell.stdin?.end()
    if (shell.exitCode === null) await once(shell, 'exit')
  }
}

function writeAll(file: number, chunk: Buffer): void {
  for (let written = 0; written < chunk.length;) written += writeSync(file, chunk, written)
}
