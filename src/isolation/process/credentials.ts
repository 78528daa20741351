import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isWithin, realPath } from './paths.ts'

/** Files and folders below the home that hold credentials, or sessions as good as credentials. */
export const CREDENTIALS: readonly string[] = [
  '.aws',
  '.azure',
  '.boto',
  '.cargo/credentials',
  '.cargo/credentials.toml',
  '.config/1Password',
  '.config/BraveSoftware',
  '.config/agentcage',
  '.config/chromium',
  '.config/containers/auth.json',
  '.config/doctl',
  '.config/gcloud',
  '.config/gh',
  '.config/git/credentials',
  '.config/glab-cli',
  '.config/google-chrome',
  '.config/helm',
  '.config/hub',
  '.config/microsoft-edge',
  '.config/op',
  '.config/rclone',
  '.config/sops',
  '.docker',
  '.fly',
  '.gem/credentials',
  '.git-credentials',
  '.gnupg',
  '.heroku',
  '.kube',
  '.local/share/agentcage',
  '.local/share/keyrings',
  '.local/share/kwalletd',
  '.local/share/pass',
  '.local/state/agentcage',
  '.m2/settings.xml',
  '.minikube',
  '.mozilla',
  '.my.cnf',
  '.netrc',
  '.npmrc',
  '.oci',
  '.op',
  '.password-store',
  '.pgpass',
  '.pki',
  '.pulumi',
  '.pypirc',
  '.s3cfg',
  '.ssh',
  '.sqlite_history',
  '.terraform.d',
  '.terraformrc',
  '.thunderbird',
  '.vault-token',
  '.yarnrc.yml',
]

export interface CredentialFinding {
  /** The credentials at stake, as a path below the home. */
  readonly credential: string
  readonly how: 'is' | 'lies in' | 'contains' | 'has a copy of'
}

/** Says whether showing a path (absolute, without symbolic links) would show credentials. */
export type CredentialGuard = (path: string) => CredentialFinding | undefined

/**
 * A guard for the credentials of `home`. Besides names, the identity of folders (device and inode) is compared, so
 * that a bind mount of the home under another name is found too.
 */
export function credentialGuard(home: string): CredentialGuard {
  const identify = identities()
  const known = CREDENTIALS.map((credential) => {
    const named = join(home, credential)
    return {
      credential,
      places: placesOf(home, credential),
      identity: identify(named),
      above: foldersAbove(named).map(identify),
    }
  })
  return (path) => {
    const own = identify(path)
    const folders = foldersAbove(path).map(identify)
    for (const { credential, places, identity, above } of known) {
      if (places.includes(path) || (identity !== undefined && identity === own)) return { credential, how: 'is' }
      const isBelow =
        places.some((place) => isWithin(path, place)) || (identity !== undefined && folders.includes(identity))
      if (isBelow) return { credential, how: 'lies in' }
      const isAbove = places.some((place) => isWithin(place, path)) || (own !== undefined && above.includes(own))
      if (isAbove) return { credential, how: 'contains' }
    }
    const copy = CREDENTIALS.find((credential) => holdsCopy(path, credential))
    return copy === undefined ? undefined : { credential: copy, how: 'has a copy of' }
  }
}

/** Names that projects use too, for settings without secrets. */
const PROJECT_NAMES: ReadonlySet<string> = new Set(['.docker', '.npmrc', '.yarnrc.yml'])

/** A folder laid out like a home, such as a backup of one. */
function holdsCopy(path: string, credential: string): boolean {
  return !PROJECT_NAMES.has(credential) && existsSync(join(path, credential))
}

/** Where the credentials are: as named, and where symbolic links lead from there. */
function placesOf(home: string, credential: string): readonly string[] {
  const named = join(home, credential)
  return [...new Set([named, join(realPath(home) ?? home, credential), realPath(named) ?? named])]
}

/** The folders above a path, nearest first. */
function foldersAbove(path: string): readonly string[] {
  const folders: string[] = []
  for (let folder = path; folder !== '/';) folders.push((folder = dirname(folder)))
  return folders
}

/** Identities of paths, each asked for once. */
function identities(): (path: string) => string | undefined {
  const known = new Map<string, string | undefined>()
  return (path) => {
    if (!known.has(path)) known.set(path, identityOf(path))
    return known.get(path)
  }
}

function identityOf(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stats === undefined ? undefined : `${stats.dev}:${stats.ino}`
}
