import { readFileSync } from 'node:fs'
import { CageError } from '../../errors.ts'

/** What a kernel says about namespaces for users without privileges, and what mends it. */
export interface NamespaceObstacle {
  readonly reason: string
  readonly mend: string
}

/** `host_unsupported`, with the switch of the kernel that is in the way when one is, else with what the program said. */
export function namespaceFailure(problem: string): CageError {
  const obstacle = namespaceObstacle()
  const because = obstacle === undefined ? '' : `: ${obstacle.reason}`
  const said = oneLine(problem)
  return new CageError('host_unsupported', `cannot make the cage's namespaces${because}${said && ` (${said})`}`, {
    hint: obstacle?.mend ?? generalHint(problem),
  })
}

/**
 * What the launcher said before the command began: `host_unsupported` when it is about namespaces or privileges,
 * else `workload_failed`. `bwrap: ` and the like stay, to say who speaks.
 */
export function launchFailure(problem: string): CageError {
  const said = oneLine(problem) || 'the launcher ended without a reason'
  if (/uid map|gid map|namespace|unshare|nsenter|seccomp|Creating new|max_user_namespaces/i.test(said)) {
    return namespaceFailure(said)
  }
  if (/mount proc/i.test(said)) {
    return new CageError('host_unsupported', `cannot start the workload: ${said}`, {
      hint: 'A container hides parts of /proc from us; start it with --security-opt unmask=ALL (Podman) or systempaths=unconfined (Docker).',
    })
  }
  return new CageError('workload_failed', `cannot start the workload: ${said}`, { hint: launchHint(said) })
}

/** The first switch of the kernel that forbids user namespaces to this user, or undefined. Some spare root. */
export function namespaceObstacle(
  read: (path: string) => string | undefined = readSwitch,
  uid: number = process.geteuid?.() ?? 0,
): NamespaceObstacle | undefined {
  if (read('/proc/sys/user/max_user_namespaces') === '0') {
    return {
      reason: 'the kernel allows no user namespaces (user.max_user_namespaces=0)',
      mend: 'sudo sysctl -w user.max_user_namespaces=15000',
    }
  }
  if (uid === 0) return undefined
  if (read('/proc/sys/kernel/unprivileged_userns_clone') === '0') {
    return {
      reason: 'the kernel forbids user namespaces to users (kernel.unprivileged_userns_clone=0)',
      mend: 'sudo sysctl -w kernel.unprivileged_userns_clone=1',
    }
  }
  if (read('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1') {
    return {
      reason: 'AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns=1)',
      mend: APPARMOR_MEND,
    }
  }
  return undefined
}

/**
 * Profiles that allow exactly the programs that make the namespaces to do so; what they start keeps the profile,
 * and the workload has neither capabilities nor a way to more namespaces (seccomp).
 */
const APPARMOR_MEND = [
  "printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\n",
  'profile agentcage-unshare /usr/bin/unshare flags=(unconfined) { userns, }\\n',
  "profile agentcage-bwrap /usr/bin/bwrap flags=(unconfined) { userns, }\\n'",
  ' | sudo tee /etc/apparmor.d/agentcage >/dev/null && sudo apparmor_parser -r /etc/apparmor.d/agentcage',
].join('')

function readSwitch(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim()
  } catch {
    return undefined
  }
}

function oneLine(text: string): string {
  return text
    .trim()
    .split(/\s*\n\s*/)
    .slice(-3)
    .join('; ')
    .slice(0, 500)
}

function generalHint(problem: string): string {
  if (/not permitted|denied/i.test(problem)) {
    return 'In a container, allow user namespaces: --security-opt seccomp=unconfined, or run agentcage on the host. agentcage doctor says more.'
  }
  if (/no space left|limit/i.test(problem))
    return 'The limit user.max_user_namespaces is reached; raise it with sysctl.'
  return 'agentcage doctor checks this host.'
}

function launchHint(said: string): string {
  if (/can't find source path|no such file/i.test(said))
    return 'A mount names a path that does not exist; check container.volumes.'
  if (/permission denied|not permitted/i.test(said))
    return 'A mount needs a folder that you may read, and a place for it that exists or can be made.'
  return 'Check container.volumes; agentcage doctor checks the host.'
}
