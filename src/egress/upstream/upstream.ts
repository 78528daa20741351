import { createSecureContext, getCACertificates, type SecureContext, type SecureContextOptions } from 'node:tls'
import { readFile } from 'node:fs/promises'
import { X509Certificate } from 'node:crypto'
import { connectTargets } from '../../config/connect-targets.ts'
import type { Config } from '../../config/schema.ts'
import { CageError } from '../../errors.ts'
import { AddressGuard } from '../../policy/address.ts'
import type { HeaderList } from '../http/headers.ts'
import type { Readable } from 'node:stream'
import { parseUpstreamProxy, type UpstreamProxy } from './corporate-proxy.ts'
import type { DialOptions, Origin } from './dial.ts'
import { Http1Pool } from './http1/pool.ts'
import { Http2Sessions } from './http2.ts'
import { createResolver } from './resolver.ts'

/** A request as it leaves: every field final, credentials included. */
export interface UpstreamRequest {
  readonly origin: Origin
  /** What `Host` says; absent: the origin. */
  readonly named?: string | undefined
  readonly method: string
  /** Path and query. */
  readonly path: string
  /** End-to-end fields; for HTTP/1.1 `Host` and `Content-Length` among them, for HTTP/2 neither. */
  readonly headers: HeaderList
  readonly body: Buffer
}

/** The head of a response and its body as it arrives. */
export interface UpstreamResponse {
  readonly status: number
  /** The reason phrase; '' with HTTP/2. */
  readonly reason: string
  readonly headers: HeaderList
  readonly body: Readable
  /** The whole body where it came along with the head, so that nobody need ask for the stream. */
  readonly whole?: Buffer | undefined
  /** The fields after the body, once `body` has ended. Throws a Denial when it ended because it broke off. */
  trailers(): HeaderList
  /** The address of the peer. */
  readonly address: string
}

/** A request under way. `response` rejects with a Denial. */
export interface UpstreamCall {
  readonly response: Promise<UpstreamResponse>
  readonly cancel: () => void
}

/** How the egress reaches the internet: connections to origins, kept alive and bound to the origin they were made for. */
export class Upstream {
  readonly http1: Http1Pool
  readonly http2: Http2Sessions

  private constructor(options: DialOptions) {
    this.http1 = new Http1Pool(options)
    this.http2 = new Http2Sessions(options)
  }

  /** Throws a CageError when the configuration names files or a proxy that cannot be used. */
  static async create(config: Pick<Config, 'upstream' | 'dns_servers'>): Promise<Upstream> {
    const trust = await trustOf(config.upstream.ca_file)
    return new Upstream({
      guard: new AddressGuard(config.upstream.allow_addresses),
      resolve: createResolver(config.dns_servers),
      connectTo: connectTargets(config),
      proxy: proxyOf(config.upstream.proxy),
      get trust() {
        return trust()
      },
    })
  }

  /** Closes idle connections now and the others when their exchange ends. */
  close(): void {
    this.http1.close()
    this.http2.close()
  }
}

function proxyOf(text: string | undefined): UpstreamProxy | undefined {
  try {
    return text === undefined ? undefined : parseUpstreamProxy(text)
  } catch (error) {
    throw new CageError('config_invalid', 'upstream.proxy: must be http://[user:password@]host:port', { cause: error })
  }
}

/**
 * Throws at once what is wrong with the file. To read all authorities takes longer than to start the rest, so that it is
 * done when the first connection needs them.
 */
async function trustOf(caFile: string | undefined): Promise<() => SecureContext> {
  const certificates = caFile === undefined ? [] : await certificatesIn(caFile)
  let context: SecureContext | undefined
  return () => (context ??= createSecureContext(withDefaults(certificates)))
}

function withDefaults(certificates: readonly string[]): SecureContextOptions {
  return certificates.length === 0 ? {} : { ca: [...getCACertificates('default'), ...certificates] }
}

async function certificatesIn(file: string): Promise<readonly string[]> {
  try {
    const pem = await readFile(file, 'utf8')
    const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
    if (certificates.length === 0) throw new Error('it holds no certificate in PEM form')
    for (const certificate of certificates) new X509Certificate(certificate)
    return certificates
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw new CageError('config_invalid', `upstream.ca_file: ${file} cannot be used: ${problem}`, { cause: error })
  }
}
