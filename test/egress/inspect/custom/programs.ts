import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { withFolder } from '../../../support/temporary.ts'
import { startBed, type Bed, type BedOptions } from '../../bed.ts'

export interface Program {
  /** The members of the inspector, as TypeScript. */
  readonly members: string
  readonly config?: Readonly<Record<string, unknown>>
  readonly timeout_ms?: number
}

/** An egress with inspectors of somebody's own, by name; each a file in a folder that is removed after the test. */
export async function bedWith(
  t: TestContext,
  programs: Readonly<Record<string, Program>>,
  options: BedOptions = {},
): Promise<Bed & { readonly folder: string }> {
  const folder = await withFolder(t)
  const inspectors = []
  for (const [name, { members, ...entry }] of Object.entries(programs)) {
    await writeProgram(folder, name, members)
    // Loaded machines are slow: only where time is the subject it is short.
    inspectors.push({ name, path: join(folder, `${name}.ts`), timeout_ms: 60_000, ...entry })
  }
  const bed = await startBed(t, {
    inspectors: { base: folder, allowed: [folder], forbidden: [] },
    ...options,
    config: { ...options.config, inspectors },
  })
  return Object.assign(bed, { folder })
}

export async function writeProgram(folder: string, name: string, members: string): Promise<void> {
  const text = `import { defineInspector, type Verdict } from 'agentcage/inspector'
const PASS: Verdict = { kind: 'pass' }
export default defineInspector({ name: '${name}', ${members} })
`
  await writeFile(join(folder, `${name}.ts`), text, { mode: 0o600 })
}
