import { basename, dirname } from 'node:path'
import { shellWord, shellWords } from './shell-quote.ts'

/** Who the workload is in the guest. */
export interface GuestUser {
  readonly uid: number
  readonly gid: number
}

/** Places of the workload's that an image knows nothing of. */
export interface OverImage {
  readonly user: GuestUser
  /** Empty folders of the user's. */
  readonly folders: readonly string[]
  /** Files and folders of the host's. */
  readonly places: readonly string[]
}

/** Where a guest with an image has busybox: what becomes the command needs a program, and images may have none. */
export const IMAGE_BUSYBOX = '/run/agentcage/busybox'

/**
 * What puts the workload's places over an image's root, which is at /root. Links of the image's on the way to a place lead
 * where they lead for the workload, never out of that root; where the place itself is one, it gives way.
 */
export function imageCommands({ user, folders, places }: OverImage): readonly string[] {
  const busybox = `/root${IMAGE_BUSYBOX}`
  return [
    '{ test ! -L /root/run || rm -f /root/run; }',
    'mkdir -p /root/run/agentcage',
    `cat /bin/busybox >${busybox}`,
    `chmod 755 ${busybox}`,
    IS_LINKED,
    FIND,
    nameUser(user),
    ...folders.map(
      (path) => `find_place ${shellWord(path)} && mkdir -p "/root$at" && chown ${user.uid}:${user.gid} "/root$at"`,
    ),
    ...places.map(bindPlace),
  ]
}

const INSIDE = `chroot /root ${IMAGE_BUSYBOX}`

/** Whether a part of a path is a link. */
const IS_LINKED = `is_linked() { set -f; IFS=/; p=/root; for part in $1; do p=$p/$part; test ! -L "$p" || break; done; set +f; unset IFS; test -L "$p"; }`

/**
 * Says in `at` where a folder is, in the image's root, and makes it where a link leads to it: from inside, where links lead
 * right. What the link itself names may be missing in an image, too.
 */
const MAKE = shellWords(['sh', '-c', 'cd "$1" && "$0" mkdir -p "$("$0" readlink "$2")" "$3"', IMAGE_BUSYBOX])
const FIND = `find_place() { at=$1; is_linked "$1" || return 0; p=\${p#/root}; ${INSIDE} ${MAKE} "\${p%/*}/" "$p" "$1" && at=$(${INSIDE} realpath "$1"); }`

function bindPlace(path: string): string {
  const live = shellWord(`/live${path}`)
  return [
    `find_place ${shellWord(dirname(path))}`,
    `to=/root$at/${shellWord(basename(path))}`,
    '{ test ! -L "$to" || rm -f "$to"; }',
    `if test -d ${live}; then mkdir -p "$to"; else mkdir -p "/root$at" && : >>"$to"; fi`,
    `mount --bind ${live} "$to"`,
  ].join(' && ')
}

/** Programs want a name for who they run as; without one they run as well. */
function nameUser({ uid, gid }: GuestUser): string {
  const line = shellWord(`agentcage:x:${uid}:${gid}:agentcage:/:/bin/sh`)
  const script = `"$0" mkdir -p /etc; "$0" cut -d: -f3 /etc/passwd | "$0" grep -qx ${uid} || echo ${line} >>/etc/passwd`
  return `{ ${INSIDE} ${shellWords(['sh', '-c', script, IMAGE_BUSYBOX])} 2>/dev/null || :; }`
}
