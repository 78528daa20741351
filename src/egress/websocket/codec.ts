import type { Duplex, Writable } from 'node:stream'
import * as ws from 'ws'

/** The part of `ws` that its type declarations leave out: frames to messages, and back. */
export interface MessageReceiver extends Writable {
  on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): this
  on(event: 'ping' | 'pong', listener: (data: Buffer) => void): this
  on(event: 'conclude', listener: (code: number, reason: Buffer) => void): this
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): this
  on(event: string, listener: (...args: never[]) => void): this
  /** Bytes that arrived and were not looked at: a frame that is not complete. */
  readonly _bufferedBytes: number
  /** Bytes of the frames so far of a message that is not complete. */
  readonly _messageLength: number
}

export interface MessageSender {
  send(
    data: Buffer,
    options: { readonly binary: boolean; readonly fin: true; readonly mask: boolean; readonly compress: false },
    sent: () => void,
  ): void
  ping(data: Buffer, mask: boolean, sent: () => void): void
  pong(data: Buffer, mask: boolean, sent: () => void): void
  close(code: number | undefined, reason: Buffer, mask: boolean, sent: () => void): void
}

interface WsParts {
  readonly Receiver: new (options: {
    readonly isServer: boolean
    readonly maxPayload: number
    readonly maxFragments: number
  }) => MessageReceiver
  readonly Sender: new (socket: Duplex, extensions: object) => MessageSender
}

const { Receiver, Sender } = ws as unknown as WsParts

/** Frames of one message. A message cut into single bytes costs its receiver far more than it costs its sender. */
const MAX_FRAGMENTS = 65_536

/** Reads what a client (masked) or a server sends. Messages over `maxBytes` are an error; 0 means no bound. */
export function createReceiver(from: 'client' | 'server', maxBytes: number): MessageReceiver {
  return new Receiver({ isServer: from === 'client', maxPayload: maxBytes, maxFragments: MAX_FRAGMENTS })
}

/** What a receiver keeps of messages that are not complete. */
export function pendingBytes(receiver: MessageReceiver): number {
  return receiver._bufferedBytes + receiver._messageLength
}

export function createSender(socket: Duplex): MessageSender {
  return new Sender(socket, {})
}

/** No status code was in the close frame (RFC 6455 section 7.1.5). */
export const NO_STATUS = 1005
/** RFC 6455 section 7.4.1. */
export const CLOSE = { goingAway: 1001, protocolError: 1002, policyViolation: 1008, tooBig: 1009 } as const
