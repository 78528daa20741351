import type { Socket } from 'node:net'
import type { HostLine } from './channel-line.ts'
import { sendLines } from './machine.ts'

/** How often a guest is told the time, in milliseconds: its own stops while the host sleeps, and drifts when emulated. */
const INTERVAL = 60_000

export function clockLine(): HostLine {
  return { kind: 'clock', seconds: Math.floor(Date.now() / 1000) }
}

/** Tells a guest the time for as long as its channel lasts. One that does not listen is not told more. */
export function keepClock(control: Socket, interval = INTERVAL): void {
  const timer = setInterval(() => {
    if (!control.writableNeedDrain) sendLines(control, [clockLine()])
  }, interval)
  timer.unref()
  control.once('close', () => clearInterval(timer))
}
