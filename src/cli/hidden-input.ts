import { setTimeout } from 'node:timers/promises'
import { CageError } from '../errors.ts'
import { HiddenLine, PASTE_OFF, PASTE_ON, type LineState } from './hidden-line.ts'
import type { Io } from './io.ts'

/** Ctrl-C at a prompt. */
export class PromptInterrupted extends Error {
  override readonly name = 'PromptInterrupted'
}

/** How long what was pasted may take to arrive, in milliseconds. */
const PASTE_MS = 100

/**
 * A value that nobody sees: typed at a prompt where standard input is a terminal, else all of standard input. At most
 * `maxBytes`, and some more when there is more. Throws PromptInterrupted.
 */
export async function readHidden(io: Io, prompt: string, maxBytes: number): Promise<Buffer> {
  return io.stdin.isTTY === true ? readTerminal(io, prompt, maxBytes) : readAll(io, maxBytes)
}

async function readAll({ stdin }: Io, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stdin) {
    chunks.push(chunk as Buffer)
    size += (chunk as Buffer).length
    if (size > maxBytes) break
  }
  return Buffer.concat(chunks)
}

async function readTerminal(io: Io, prompt: string, maxBytes: number): Promise<Buffer> {
  const { stdin, stderr } = io
  const line = new HiddenLine(maxBytes)
  stdin.setRawMode?.(true)
  stderr.write(`${prompt}: ${stderr.isTTY === true ? PASTE_ON : ''}`)
  try {
    const state = await typed(io, line)
    if (state.kind === 'interrupted') throw new PromptInterrupted('interrupted')
    if (state.kind === 'done' && (state.rest !== '' || (await moreArrives(io)))) throw severalLines()
    return Buffer.from(line.text)
  } finally {
    stderr.write(`${stderr.isTTY === true ? PASTE_OFF : ''}\n`)
    stdin.setRawMode?.(false)
    stdin.pause()
  }
}

/** A terminal that hangs up ends the line. */
function typed({ stdin }: Io, line: HiddenLine): Promise<LineState> {
  return new Promise((resolve, reject) => {
    const decoder = new TextDecoder()
    const settle = (finish: () => void): void => {
      stdin.off('data', onData).off('end', onEnd).off('error', onError)
      finish()
    }
    const onData = (chunk: Buffer): void => {
      const state = line.feed(decoder.decode(chunk, { stream: true }))
      if (state.kind !== 'typing') settle(() => resolve(state))
    }
    const onEnd = (): void => settle(() => resolve({ kind: 'done', rest: '' }))
    const onError = (error: Error): void => settle(() => reject(error))
    stdin.on('data', onData).on('end', onEnd).on('error', onError).resume()
  })
}

/**
 * Lines of a paste that the terminal did not mark as one. Left unread they would be typed into the shell, and end up in
 * its history.
 */
async function moreArrives({ stdin }: Io): Promise<boolean> {
  let more = false
  const onData = (): void => void (more = true)
  stdin.on('data', onData)
  await setTimeout(PASTE_MS)
  stdin.off('data', onData)
  return more
}

function severalLines(): CageError {
  return new CageError('secret_invalid', 'several lines were pasted, and this terminal does not say where they end', {
    hint: 'Nothing was changed. Give the value on standard input: … < FILE',
  })
}
