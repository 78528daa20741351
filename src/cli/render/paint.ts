import { styleText } from 'node:util'
import type { Io, Output } from '../io.ts'

export type Colour = 'red' | 'yellow' | 'green' | 'gray'
export type Painter = (colour: Colour, text: string) => string

/** Colours for a terminal; none elsewhere, nor where `NO_COLOR` (no-color.org) or `TERM=dumb` says so. */
export function painterFor(stream: Output, env: Io['env']): Painter {
  const plain = stream.isTTY !== true || (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb'
  return plain ? (_, text) => text : (colour, text) => styleText(colour, text, { validateStream: false })
}
