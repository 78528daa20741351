import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { DiskReader } from '../../../../src/isolation/microvm/firecracker/ext4.ts'
import type { FilesDisk } from '../../../../src/isolation/microvm/firecracker/files-disk.ts'
import { handBack, type HandBackReport } from '../../../../src/isolation/microvm/firecracker/hand-back.ts'
import { rememberDisk, rememberHost } from '../../../../src/isolation/microvm/firecracker/memory.ts'
import { makeFileSystem } from '../../../../src/isolation/microvm/scratch-disk.ts'
import { findTool } from '../../../support/requires.ts'
import { withFolder } from '../../../support/temporary.ts'

/** A project on the host, and a disk that a guest got with a copy of it at `/project`. */
export interface HandedProject {
  readonly project: string
  readonly disk: string
  /** What a guest does to its disk, as commands of debugfs, a character a byte; in them, `<host>` is a folder for files to write. */
  guest(...commands: readonly string[]): void
  /** Files for the guest to write, below `<host>`. */
  readonly host: string
  handBack(): Promise<HandBackReport>
  readonly files: FilesDisk
}

export interface HandOptions {
  readonly files: Readonly<Record<string, string>>
  /** Paths in the guest. */
  readonly stops?: readonly string[]
  readonly mostBytes?: number
}

export async function handProject(
  t: TestContext,
  { files, stops = [], mostBytes = 1 << 24 }: HandOptions,
): Promise<HandedProject> {
  const folder = await withFolder(t)
  const [project, tree, host, disk] = ['project', 'tree', 'host', 'disk'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ]
  for (const path of [project, tree, host]) mkdirSync(path)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(project, name)), { recursive: true })
    writeFileSync(join(project, name), content)
    utimesSync(join(project, name), 1_600_000_000, 1_600_000_000)
  }
  const place = { source: project, target: '/project' }
  const places = [place]
  const boundaries = new Set(stops)
  const before = await rememberHost(places, boundaries)
  cpSync(project, join(tree, 'project'), { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  await makeFileSystem(disk, 64, { content: tree })
  const memory = { host: before, disk: await withDisk(disk, (reader) => rememberDisk(reader, places, boundaries)) }
  return {
    project,
    disk,
    host,
    files: { path: disk, mounts: [{ kind: 'bind', ...place, writable: true }], memory },
    guest: (...commands) =>
      debugfs(
        disk,
        commands.map((command) => command.replaceAll('<host>', host)),
      ),
    handBack: () => withDisk(disk, (reader) => handBack(reader, { places, stops: boundaries, memory, mostBytes })),
  }
}

async function withDisk<T>(path: string, use: (disk: DiskReader) => Promise<T>): Promise<T> {
  await using disk = await DiskReader.open(path)
  return await use(disk)
}

function debugfs(disk: string, commands: readonly string[]): void {
  execFileSync(findTool('debugfs') ?? 'debugfs', ['-w', '-f', '-', disk], {
    input: Buffer.from(`${commands.join('\n')}\n`, 'latin1'),
    stdio: ['pipe', 'ignore', 'pipe'],
  })
}
