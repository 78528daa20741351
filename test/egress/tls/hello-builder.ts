/** Builds ClientHello messages, well-formed ones and others, piece by piece (RFC 8446 section 4.1.2). */

export interface HelloParts {
  readonly version?: Buffer
  readonly random?: Buffer
  readonly sessionId?: Buffer
  readonly suites?: Buffer
  readonly compression?: Buffer
  /** Complete extensions, concatenated. Undefined leaves out even their length, as before TLS 1.2. */
  readonly extensions?: Buffer | undefined
  /** After everything else, inside the message. */
  readonly trailing?: Buffer
}

/** The body of a ClientHello. Extensions default to the server name `api.test`. */
export function helloBody(parts: HelloParts = {}): Buffer {
  const extensions = 'extensions' in parts ? parts.extensions : serverName('api.test')
  return Buffer.concat([
    parts.version ?? Buffer.of(3, 3),
    parts.random ?? Buffer.alloc(32, 7),
    vector(1, parts.sessionId ?? Buffer.alloc(32, 9)),
    vector(2, parts.suites ?? Buffer.of(0x13, 0x01)),
    vector(1, parts.compression ?? Buffer.of(0)),
    extensions === undefined ? Buffer.alloc(0) : vector(2, extensions),
    parts.trailing ?? Buffer.alloc(0),
  ])
}

/** A handshake message; `type` 1 is a ClientHello. */
export function message(body: Buffer, { type = 1, length = body.length } = {}): Buffer {
  const header = Buffer.of(type, 0, 0, 0)
  header.writeUIntBE(length, 1, 3)
  return Buffer.concat([header, body])
}

/** One record; `type` 22 is handshake. */
export function record(
  fragment: Buffer,
  { type = 22, version = Buffer.of(3, 1), length = fragment.length } = {},
): Buffer {
  const header = Buffer.of(type, 0, 0, 0, 0)
  version.copy(header, 1)
  header.writeUInt16BE(length, 3)
  return Buffer.concat([header, fragment])
}

/** A whole hello in one record. */
export function hello(parts: HelloParts = {}): Buffer {
  return record(message(helloBody(parts)))
}

export function extension(type: number, data: Buffer): Buffer {
  return Buffer.concat([Buffer.of(type >> 8, type & 0xff), vector(2, data)])
}

/** The server_name extension, with any bytes for a name. */
export function serverName(name: string | Buffer): Buffer {
  return extension(0, vector(2, hostName(name)))
}

/** One entry of a server name list. */
export function hostName(name: string | Buffer): Buffer {
  return Buffer.concat([Buffer.of(0), vector(2, Buffer.from(name))])
}

/** The application_layer_protocol_negotiation extension. */
export function alpn(...protocols: readonly string[]): Buffer {
  return extension(16, vector(2, Buffer.concat(protocols.map((protocol) => vector(1, Buffer.from(protocol))))))
}

/** `content` after its length in `lengthBytes` bytes. */
export function vector(lengthBytes: number, content: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes)
  length.writeUIntBE(content.length, 0, lengthBytes)
  return Buffer.concat([length, content])
}

/** The same handshake bytes in records cut at other places. */
export function refragment(records: Buffer, sizes: Iterable<number>): Buffer {
  const handshake = payloads(records)
  const cut: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    if (at >= handshake.length) break
    cut.push(record(handshake.subarray(at, at + size)))
    at += size
  }
  if (at < handshake.length) cut.push(record(handshake.subarray(at)))
  return Buffer.concat(cut)
}

/** The contents of all records, joined. */
export function payloads(records: Buffer): Buffer {
  const fragments: Buffer[] = []
  for (let at = 0; at < records.length; at += 5 + records.readUInt16BE(at + 3)) {
    fragments.push(records.subarray(at + 5, at + 5 + records.readUInt16BE(at + 3)))
  }
  return Buffer.concat(fragments)
}
