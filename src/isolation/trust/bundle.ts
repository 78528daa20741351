import type { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { rootCertificates } from 'node:tls'

const LARGEST = 16 << 20

/**
 * The host's authorities as PEM, taken from the first of `paths` that has any. Not parsed: every program that reads
 * them parses them anyway. Where the host has none, those that Node brings.
 */
export function systemBundle(paths: readonly string[]): string {
  for (const path of paths) {
    const text = readBundle(path)
    if (text?.includes(BEGIN) === true) return text
  }
  return rootCertificates.join('\n')
}

/** The bundle with one more certificate at its end. */
export function appendCertificate(bundle: string, certificate: X509Certificate): string {
  return `${bundle.trimEnd()}\n${certificate.toString()}`
}

/** The DER of every certificate in a bundle, each once. */
export function certificatesOf(bundle: string): readonly Buffer[] {
  const encoded = bundle.matchAll(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END/g)
  return [...new Set([...encoded].map((match) => (match[1] ?? '').replace(/\s/g, '')))].map((text) =>
    Buffer.from(text, 'base64'),
  )
}

const BEGIN = '-----BEGIN CERTIFICATE-----'

function readBundle(path: string): string | undefined {
  try {
    const stats = statSync(path)
    return stats.isFile() && stats.size <= LARGEST ? readFileSync(path, 'latin1') : undefined
  } catch {
    return undefined
  }
}
