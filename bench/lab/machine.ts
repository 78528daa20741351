import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { requireBusybox } from '../../src/isolation/microvm/host-parts.ts'
import { childrenOf } from '../../src/system/process.ts'
import { ociArchive } from '../../test/support/oci-image.ts'

/** An archive of an image with the Node that runs this, its libraries and busybox. */
export function nodeImage(): Buffer {
  const libraries = execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g)
  const file = (path: string, from: string) => ({ path, content: readFileSync(from), mode: 0o755 })
  return ociArchive([
    [
      file('usr/bin/node', process.execPath),
      ...[...libraries].map(([, path = '']) => file(path.slice(1), path)),
      file('bin/busybox', requireBusybox()),
      ...['sh', 'wget'].map((name) => ({ path: `bin/${name}`, type: '2', target: 'busybox' }) as const),
    ],
  ])
}

/** Resident memory of the VMM below a process, in megabytes; 0 where there is none. */
export function machineMemory(pid: number): number {
  for (const child of descendants(pid)) {
    const kilobytes = /^Name:\tqemu-system.*^VmRSS:\s+(\d+) kB$/ms.exec(status(child))?.[1]
    if (kilobytes !== undefined) return (Number(kilobytes) * 1024) / 1e6
  }
  return 0
}

function status(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return '' // It has ended meanwhile.
  }
}

function descendants(pid: number): readonly number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)])
}
