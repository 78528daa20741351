import { CageError } from '../../errors.ts'

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }

/** `container.memory` in bytes: a number, or one with a unit as Podman writes it (`512m`, `4g`, `4GiB`). */
export function parseBytes(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s*([bkmgt]?)(?:i?b)?$/i.exec(text)
  const bytes = Math.floor(Number(match?.[1]) * (UNITS[match?.[2]?.toLowerCase() ?? ''] ?? Number.NaN))
  if (Number.isSafeInteger(bytes) && bytes >= 2 ** 20) return bytes
  throw new CageError('config_invalid', `container.memory: '${text}' is not an amount of at least 1m`, {
    hint: 'Write it like 512m or 4g.',
  })
}
