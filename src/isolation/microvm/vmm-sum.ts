import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CageError } from '../../errors.ts'

/** SHA-256 of a VMM's program, in hexadecimal digits. */
export function vmmSum(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** Throws `host_unsupported` for another program than the one that machines are held to; `sha256` absent: any is right. */
export function requireVmmSum(path: string, sha256: string | undefined): void {
  if (sha256 === undefined) return
  const found = vmmSum(path)
  if (found === sha256) return
  throw new CageError('host_unsupported', `${path} has the SHA-256 ${found}, which is not that of microvm.vmm_sha256`, {
    hint: 'If you trust it, for instance after an update of its package, write the new sum.',
  })
}
