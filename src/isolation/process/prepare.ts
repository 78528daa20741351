import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findLeftovers, rememberProject, type Leftover } from './leftovers.ts'
import { planWorkload, type PlannedWorkload, type WorkloadRequest } from './plan.ts'
import { placeStandIns } from './stand-ins.ts'

/** A workload that can be started. Dispose it when the workload has ended. */
export interface PreparedWorkload extends PlannedWorkload, Disposable {
  /** What the workload left in the folders it may write that may run later, outside the cage. To be asked for after its end. */
  leftovers(): readonly Leftover[]
}

/** Plans a workload, writes the files that the plan needs and places its stand-ins in the project. */
export function prepareWorkload(request: WorkloadRequest): PreparedWorkload {
  const planned = planWorkload(request)
  for (const { name, content } of planned.files)
    writeFileSync(join(request.scratch, name), content, { flag: 'wx', mode: 0o644 })
  const before = planned.folders.map(({ folder, survey }) => ({ folder, memory: rememberProject(survey) }))
  const placed = placeStandIns(planned.standIns)
  return {
    ...planned,
    leftovers: () => before.flatMap(({ folder, memory }) => findLeftovers(folder, memory)),
    [Symbol.dispose]: () => placed[Symbol.dispose](),
  }
}
