import { cpioArchive } from './cpio.ts'
import { GUEST, INIT } from './guest-init.ts'
import { moduleName } from './modules.ts'

/** What the guest starts from. */
export interface InitramfsParts {
  /** A busybox that needs no libraries. */
  readonly busybox: Buffer
  /** Unpacked modules of the kernel, in the order to load them. */
  readonly modules: readonly { readonly path: string; readonly content: Buffer }[]
}

/** What the scripts of the guest call. */
const APPLETS = (
  'base64 cat chown chroot cut date dd env grep hostname insmod ip kill ln mkdir ' +
  'mkfifo mount poweroff rm setsid sh sleep stty sync tail tee test tr usleep wc'
).split(' ')

/** The guest's first file system: the same bytes for the same parts. */
export function initramfs({ busybox, modules }: InitramfsParts): Buffer {
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
  ])
}
