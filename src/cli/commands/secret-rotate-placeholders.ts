import { rotateCagePlaceholders } from '../../cage/rotate-placeholders.ts'
import type { Io } from '../io.ts'
import type { SecretFlags } from '../routes/secret.ts'

/** `agentcage secret rotate-placeholders CAGE`. */
export async function secretRotatePlaceholders(
  { json }: SecretFlags,
  [cage]: readonly [string],
  io: Io,
): Promise<number> {
  const names = await rotateCagePlaceholders(cage, io.env)
  if (json) io.stdout.write(`${JSON.stringify({ cage, rotated: names })}\n`)
  else if (names.length === 0) io.stdout.write(`No generated placeholders for '${cage}'.\n`)
  else {
    io.stdout.write(`New placeholders for '${cage}': ${names.join(', ')}.\n`)
    io.stderr.write('A workload that runs holds the old ones, which mean nothing now, until it is started again.\n')
  }
  return 0
}
