/**
 * A change of the file's content is noticed, however the file is written: in place, by renaming another over it, through a
 * symbolic link, after it was gone. What leaves the content as it is goes unnoticed.
 */
import assert from 'node:assert/strict'
import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { watchConfig } from '../../src/config/watch.ts'
import { withFolder } from '../support/temporary.ts'

test('writing in place', async (t) => {
  const { file, changes } = await watched(t, 'name: a\n')
  await writeFile(file, 'name: b\n')
  await changes.next()
})

test('renaming another file over it, time and again', async (t) => {
  const { file, changes } = await watched(t, 'name: a\n')
  for (const name of ['b', 'c', 'd']) {
    await writeFile(`${file}.new`, `name: ${name}\n`)
    await rename(`${file}.new`, file)
    await changes.next()
  }
})

test('removing it, and making it again', async (t) => {
  const { file, changes } = await watched(t, 'name: a\n')
  await rm(file)
  await changes.next()
  await writeFile(file, 'name: a\n')
  await changes.next()
})

test('a file that is not there yet', async (t) => {
  const { file, changes } = await watched(t, undefined)
  await writeFile(file, 'name: a\n')
  await changes.next()
})

test('a folder that is not there yet', async (t) => {
  const folder = join(await withFolder(t), 'later')
  const changes = await watch(t, join(folder, 'cage.yaml'))
  await mkdir(folder)
  await writeFile(join(folder, 'cage.yaml'), 'name: a\n')
  await changes.next()
})

test('a symbolic link that is pointed elsewhere, as Kubernetes does', async (t) => {
  const folder = await withFolder(t)
  for (const name of ['a', 'b']) {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, 'cage.yaml'), `name: ${name}\n`)
  }
  await symlink('a', join(folder, '..data'))
  await symlink('..data/cage.yaml', join(folder, 'cage.yaml'))
  const changes = await watch(t, join(folder, 'cage.yaml'))
  await symlink('b', join(folder, '..new'))
  await rename(join(folder, '..new'), join(folder, '..data'))
  await changes.next()
})

test('the same content again is no change', async (t) => {
  const { file, changes } = await watched(t, 'name: a\n')
  await utimes(file, new Date(0), new Date(0))
  await writeFile(file, 'name: a\n')
  await writeFile(`${file}.new`, 'name: a\n')
  await rename(`${file}.new`, file)
  // A real change after that is the first one noticed; by a rename, as a file that is written is empty for a moment.
  await writeFile(`${file}.new`, 'name: b\n')
  await rename(`${file}.new`, file)
  await changes.next()
  assert.equal(changes.count, 1)
})

test('after the signal nothing is noticed and nothing is left running', async (t) => {
  const folder = await withFolder(t)
  const file = join(folder, 'cage.yaml')
  const ended = new AbortController()
  let count = 0
  await watchConfig(file, { signal: ended.signal, onChange: () => void (count += 1) })
  ended.abort()
  const others = await watch(t, file)
  await writeFile(file, 'name: a\n')
  await others.next()
  assert.equal(count, 0)
})

test('a signal that has been given already', async (t) => {
  const file = join(await withFolder(t), 'cage.yaml')
  let count = 0
  await watchConfig(file, { signal: AbortSignal.abort(), onChange: () => void (count += 1) })
  const others = await watch(t, file)
  await writeFile(file, 'name: a\n')
  await others.next()
  assert.equal(count, 0)
})

async function watched(t: TestContext, content: string | undefined): Promise<{ file: string; changes: Changes }> {
  const file = join(await withFolder(t), 'cage.yaml')
  if (content !== undefined) await writeFile(file, content)
  return { file, changes: await watch(t, file) }
}

async function watch(t: TestContext, file: string): Promise<Changes> {
  const changes = new Changes()
  const ended = new AbortController()
  // The watch itself keeps no process alive, a test has to.
  const alive = setInterval(() => {}, 60_000)
  t.after(() => {
    clearInterval(alive)
    ended.abort()
  })
  await watchConfig(file, { signal: ended.signal, onChange: () => changes.add() })
  return changes
}

/** Counts changes, and lets each be awaited once. */
class Changes {
  count = 0
  #taken = 0
  #waiting: (() => void) | undefined

  add(): void {
    this.count += 1
    this.#waiting?.()
  }

  async next(): Promise<void> {
    this.#taken += 1
    if (this.count >= this.#taken) return
    await new Promise<void>((resolve) => {
      this.#waiting = resolve
    })
  }
}
