import { findProgram } from '../../system/process.ts'
import { runProgram } from '../../system/spawn.ts'

/** Paths of a running cage's. */
export interface CageNamespaces {
  /** The moat's, which is an ancestor of the one that the mounts belong to. */
  readonly userNamespace: string
  readonly mountNamespace: string
}

/**
 * Mounts what lies at a place of the cage over itself. Yields what went wrong, if something did; never throws.
 *
 * Whoever made the moat has all capabilities in it, but loses them by starting a program; bubblewrap passes on two
 * without having to be root. `mount --namespace` runs from the host's files, and is in the cage for the calls alone:
 * nothing of the cage's is executed. All paths end in the cage. A link of the workload's may lead each call elsewhere:
 * - `--rbind` then shows it something of its own at one more place, with all that is mounted within, masks too.
 * - Flags are set by a call of its own, which only takes rights away. A writable one is given none: that call could
 *   make something else writable.
 */
export async function remount(
  place: string,
  { userNamespace, mountNamespace, writable }: CageNamespaces & { readonly writable: boolean },
): Promise<string | undefined> {
  const [sh, bwrap, mount] = ['sh', 'bwrap', 'mount'].map(findProgram)
  if (sh === undefined || bwrap === undefined || mount === undefined) return 'mount, bwrap or sh is not installed'
  const flags = writable ? [] : ['-o', 'ro,nosuid,nodev']
  const command = [mount, '--namespace', '/proc/self/fd/4', '--rbind', ...flags, place, place]
  const args = ['-c', OPEN, 'agentcage', userNamespace, mountNamespace, bwrap, ...CAPABLE, ...command]
  const { code, stderr, error } = await runProgram(sh, args, { environment: {} })
  return code === 0 ? undefined : (error?.message ?? (stderr.trim() || `mount ended with ${code ?? 'a signal'}`))
}

/** $1, $2: the namespaces, which the rest gets as descriptors. */
const OPEN = 'exec 3<"$1" 4<"$2"; shift 2; exec "$@"'

const CAPABLE = [
  ['--userns', '3', '--die-with-parent', '--dev-bind', '/', '/'],
  ['--cap-drop', 'ALL', '--cap-add', 'CAP_SYS_ADMIN', '--cap-add', 'CAP_SYS_CHROOT', '--'],
].flat()
