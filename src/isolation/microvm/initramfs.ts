import { cpioArchive, type CpioEntry } from './cpio.ts'
import { GUEST, INIT } from './guest-init.ts'
import { moduleName } from './modules.ts'

/** What the guest starts from. */
export interface InitramfsParts {
  /** A busybox that needs no libraries. */
  readonly busybox: Buffer
  /** Unpacked modules of the kernel, in the order to load them. */
  readonly modules: readonly { readonly path: string; readonly content: Buffer }[]
  /** For ports by vsock. */
  readonly channel?: VsockChannel | undefined
}

export interface VsockChannel {
  /** socat and its libraries, by absolute path where it looks for them. */
  readonly programs: readonly { readonly path: string; readonly content: Buffer }[]
  /** The host's address on the device, and the number and name of each port. */
  readonly host: number
  readonly ports: readonly { readonly number: number; readonly name: string }[]
}

/** What the scripts of the guest call. */
const APPLETS = (
  'base64 cat chown chroot cut date dd env grep hostname insmod ip kill ln mkdir ' +
  'mkfifo mount poweroff reboot rm setsid sh sleep stty sync tail tee test tr usleep wc'
).split(' ')

/** The guest's first file system: the same bytes for the same parts. */
export function initramfs({ busybox, modules, channel }: InitramfsParts): Buffer {
  const files = modules.map(({ path, content }) => ({ name: `${moduleName(path)}.ko`, content }))
  return cpioArchive([
    ...['bin', 'dev', 'proc', 'sys', 'run', GUEST.modules].map((path) => ({ kind: 'folder', path }) as const),
    // The kernel opens it for the first program before that can mount anything.
    { kind: 'device', path: 'dev/console', numbers: [5, 1] },
    { kind: 'file', path: 'bin/busybox', mode: 0o755, content: busybox },
    ...APPLETS.map((name) => ({ kind: 'link', path: `bin/${name}`, to: 'busybox' }) as const),
    ...files.map(({ name, content }) => ({ kind: 'file', path: `${GUEST.modules}/${name}`, content }) as const),
    { kind: 'file', path: GUEST.order, content: Buffer.from(files.map(({ name }) => `${name}\n`).join('')) },
    { kind: 'file', path: 'init', mode: 0o755, content: Buffer.from(INIT) },
    ...(channel === undefined ? [] : channelEntries(channel)),
  ])
}

function channelEntries({ programs, host, ports }: VsockChannel): readonly CpioEntry[] {
  const folders = new Set(programs.flatMap(({ path }) => parentsOf(path.slice(1))))
  const lines = ports.map(({ number, name }) => `${host} ${number} ${name}\n`)
  return [
    ...[...folders].filter((path) => path !== 'bin').map((path) => ({ kind: 'folder', path }) as const),
    ...programs.map(({ path, content }) => ({ kind: 'file', path: path.slice(1), mode: 0o755, content }) as const),
    { kind: 'file', path: 'channel', content: Buffer.from(lines.join('')) },
  ]
}

/** The folders on the way to a file, the outermost first. */
function parentsOf(path: string): readonly string[] {
  const names = path.split('/').slice(0, -1)
  return names.map((_, index) => names.slice(0, index + 1).join('/'))
}
