import { spawnSync } from 'node:child_process'
import { findTool } from '../../../support/requires.ts'

/** A Python that has botocore, AWS's own client; undefined when this machine has none. */
export function botocorePython(): string | undefined {
  return [findTool('python3'), '/usr/bin/python3'].find(
    (python) => python !== undefined && spawnSync(python, ['-c', 'import botocore']).status === 0,
  )
}
