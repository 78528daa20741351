import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TestAuthority } from '../../test/support/test-authority.ts'

/** The name of the upstream in every measurement: wrk takes SNI from its URL, and this name needs no DNS. */
export const HOST = 'localhost'

/** Which processors a process may use. What is measured has the last one to itself where there are two or more. */
export type Seat = 'measured' | 'around'

/** A folder, a certificate for the upstream and processes on loopback, all gone when it is disposed of. */
export class Lab implements AsyncDisposable {
  readonly folder: string
  /** PEM files: the authority to trust, and what the upstream shows. */
  readonly authorityFile: string
  readonly certificateFile: string
  readonly keyFile: string
  readonly #children: ChildProcess[] = []
  readonly #onSignal = (): void => void this[Symbol.asyncDispose]().then(() => process.exit(130))

  static async open(): Promise<Lab> {
    const folder = await mkdtemp(join(await realpath(tmpdir()), 'agentcage-bench-'))
    const lab = new Lab(folder)
    const authority = new TestAuthority()
    const { key, cert } = authority.issue(HOST)
    await writeFile(lab.authorityFile, authority.certificatePem)
    await writeFile(lab.certificateFile, cert)
    await writeFile(lab.keyFile, key, { mode: 0o600 })
    return lab
  }

  private constructor(folder: string) {
    this.folder = folder
    this.authorityFile = join(folder, 'authority.pem')
    this.certificateFile = join(folder, 'certificate.pem')
    this.keyFile = join(folder, 'key.pem')
    process.once('SIGINT', this.#onSignal)
    process.once('SIGTERM', this.#onSignal)
  }

  /** Starts a process that ends with the lab. `command` is an argument vector. */
  start(seat: Seat, command: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [program = '', ...args] = [...pinned(seat), ...command]
    const child = spawn(program, args, { cwd: this.folder, stdio: ['ignore', 'ignore', 'inherit'], ...options })
    return this.own(child)
  }

  /** Ends a process with the lab that was started elsewhere. */
  own(child: ChildProcess): ChildProcess {
    this.#children.push(child)
    return child
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('SIGINT', this.#onSignal)
    process.off('SIGTERM', this.#onSignal)
    await Promise.all(this.#children.map(stop))
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** A port that nobody listens on, for programs that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Waits until somebody listens on the port of loopback. */
export async function listening(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode} before it listened`)
    if (await connects(port)) return
    await sleep(50)
  }
  throw new Error(`${child.spawnargs.join(' ')} does not listen on ${port}`)
}

function pinned(seat: Seat): readonly string[] {
  const last = availableParallelism() - 1
  if (last === 0) return []
  return ['taskset', '--cpu-list', seat === 'measured' ? String(last) : `0-${last - 1}`]
}

async function connects(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** SIGTERM, and SIGKILL for who has not gone after 3 seconds. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const reprieve = setTimeout(() => child.kill('SIGKILL'), 3000)
  await exited
  clearTimeout(reprieve)
}
