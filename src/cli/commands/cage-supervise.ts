import { superviseCage } from '../../cage/supervise.ts'
import type { Io } from '../io.ts'

/** `agentcage cage supervise NAME`: for systemd, not for people. */
export async function cageSupervise(_flags: object, [name]: readonly [string], io: Io): Promise<number> {
  return superviseCage(name, io.env)
}
