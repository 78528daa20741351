import { reloadCage, restartCage, startCage, stopCage } from '../../cage/lifecycle.ts'
import type { Io } from '../io.ts'

type NameArgument = readonly [name: string]

export async function cageStart(_flags: object, [name]: NameArgument, io: Io): Promise<number> {
  await startCage(name, io.env, (line) => void io.stdout.write(`${line}\n`))
  io.stdout.write(`Started cage '${name}'\n`)
  return 0
}

export async function cageStop(_flags: object, [name]: NameArgument, io: Io): Promise<number> {
  await stopCage(name, io.env)
  io.stdout.write(`Stopped cage '${name}'\n`)
  return 0
}

export async function cageRestart(_flags: object, [name]: NameArgument, io: Io): Promise<number> {
  await restartCage(name, io.env, (line) => void io.stdout.write(`${line}\n`))
  io.stdout.write(`Restarted cage '${name}'\n`)
  return 0
}

export async function cageReload(_flags: object, [name]: NameArgument, io: Io): Promise<number> {
  await reloadCage(name, io.env)
  io.stdout.write(`Reloaded cage '${name}'\n`)
  return 0
}
