import { styleText } from 'node:util'
import type { Io, Output } from './io.ts'

/** What may be done on a stream. */
export interface Terminal {
  readonly colour: boolean
  /** Characters in a line; undefined where there is no terminal, and lines may be as long as they are. */
  readonly width: number | undefined
}

/** Colour only for people: on a terminal, unless NO_COLOR is set (no-color.org); FORCE_COLOR decides before either. */
export function terminalOf(stream: Output, env: Io['env']): Terminal {
  const forced = env['FORCE_COLOR']
  const wanted = stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  const colour = forced === undefined || forced === '' ? wanted : forced !== '0' && forced !== 'false'
  return {
    colour,
    width: stream.isTTY === true && stream.columns !== undefined && stream.columns > 0 ? stream.columns : undefined,
  }
}

export type Style = Parameters<typeof styleText>[0]

/** The text in a style, or as it is where colour is not wanted. */
export function paint(terminal: Terminal, style: Style, text: string): string {
  return terminal.colour ? styleText(style, text, { validateStream: false }) : text
}
