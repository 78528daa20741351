import { createHash } from 'node:crypto'
import { extname, join } from 'node:path'
import type { Config } from '../../../config/schema.ts'
import { CageError } from '../../../errors.ts'
import { readPrivateFile } from '../../../secrets/private-state.ts'
import { MAX_FILE, type InspectorProgram } from './program.ts'

/** What is on record of an inspector: where its file was found, links resolved, and what was in it. */
export interface RecordedInspector {
  readonly path: string
  /** Lower-case hex. */
  readonly sha256: string
}

/** Inspectors of a cage that stays: copies that it keeps, each as it was when it was recorded. */
export interface KeptInspectors {
  readonly cage: string
  /** Of the copies, absolute. */
  readonly folder: string
  /** What is on record now, by the name of the inspector. */
  readonly recorded: () => Promise<Readonly<Record<string, RecordedInspector>>>
}

type Entry = Config['inspectors'][number]

/** Named by its content: one that is recorded anew never replaces one that is in use. */
export function copyPath(folder: string, { path, sha256 }: RecordedInspector): string {
  return join(folder, `${sha256}${extname(path)}`)
}

/** Reads the copy of an entry's file. Throws `inspector_changed` unless it is what was recorded. */
export async function readKeptProgram(entry: Entry, kept: KeptInspectors): Promise<InspectorProgram> {
  const { name, config, timeout_ms: timeout } = entry
  const known = await kept.recorded()
  const recorded = Object.hasOwn(known, name) ? known[name] : undefined
  if (recorded === undefined)
    throw changed(kept.cage, `inspectors: ${name}: ${entry.path ?? ''} is not on record for cage '${kept.cage}'`)
  const { path, sha256 } = recorded
  const copy = copyPath(kept.folder, recorded)
  const bytes = await readPrivateFile(copy, MAX_FILE)
  if (bytes === undefined) throw changed(kept.cage, `inspectors: ${name}: ${copy}, the copy of ${path}, is missing`)
  const found = createHash('sha256').update(bytes).digest('hex')
  if (found !== sha256)
    throw changed(
      kept.cage,
      `inspectors: ${name}: ${copy}, the copy of ${path}, has changed: its SHA-256 is ${found}, not ${sha256}`,
    )
  return { name, path, source: bytes.toString(), sha256, config, timeout }
}

function changed(cage: string, message: string): CageError {
  return new CageError('inspector_changed', message, {
    hint: `agentcage cage update ${cage} reads the file again and records it, once you have looked at it.`,
  })
}
