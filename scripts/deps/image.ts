import type { Finding } from './finding.ts'

/** Where registries are asked, for tests on this machine. */
export type Origin = (registry: string) => string

const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')

/** What the tag of a pinned image, `REGISTRY/NAME:TAG@DIGEST`, means now, if that is another. Rejects when nobody says. */
export async function newerImage(pinned: string, origin: Origin = originOf): Promise<readonly Finding[]> {
  const [, registry = '', name = '', tag = '', digest = ''] = REFERENCE.exec(pinned) ?? []
  if (digest === '') throw new Error(`${pinned} does not pin a tag by its digest`)
  const url = `${origin(registry)}/v2/${name}/manifests/${tag}`
  const newest = await digestAt(url).catch((cause: unknown) => {
    throw new Error(`${url} cannot be asked: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  })
  return newest === digest ? [] : [{ name: `${registry}/${name}:${tag}`, pinned: digest, newest }]
}

const REFERENCE = /^([^/]+)\/([a-z0-9._/-]+):([A-Za-z0-9._-]+)@(sha256:[0-9a-f]{64})$/

function originOf(registry: string): string {
  return `https://${registry === 'docker.io' ? 'registry-1.docker.io' : registry}`
}

/** Asks as Docker's protocol has it: without a token first, and with the one that the answer says where to get. */
async function digestAt(url: string): Promise<string> {
  const first = await fetch(url, { method: 'HEAD', headers: { accept: MANIFESTS } })
  const challenge = first.headers.get('www-authenticate')
  const answer =
    first.status === 401 && challenge !== null
      ? await fetch(url, { method: 'HEAD', headers: { accept: MANIFESTS, authorization: await tokenFor(challenge) } })
      : first
  const digest = answer.headers.get('docker-content-digest')
  if (!answer.ok || digest === null) throw new Error(`${url} answers ${answer.status} without a digest`)
  return digest
}

/** `Bearer realm="https://…",service="…",scope="…"`: what may be read by everybody needs no account. */
async function tokenFor(challenge: string): Promise<string> {
  const fields = new URLSearchParams()
  for (const [, key = '', value = ''] of challenge.matchAll(/([a-z]+)="([^"]*)"/g)) fields.set(key, value)
  const realm = fields.get('realm') ?? ''
  fields.delete('realm')
  const answer = await fetch(`${realm}?${fields.toString()}`)
  const { token } = (await answer.json()) as { readonly token?: unknown }
  if (typeof token !== 'string') throw new Error(`${realm} gives no token`)
  return `Bearer ${token}`
}
