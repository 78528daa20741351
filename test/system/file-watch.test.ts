/**
 * A change of any of the files is told, however it is made; what does not touch them is not, and neither is what happens
 * after the end.
 */
import assert from 'node:assert/strict'
import { chmod, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { FileWatch } from '../../src/system/file-watch.ts'
import { withFolder } from '../support/temporary.ts'

/** Waits until a file has been told of; the watch itself keeps no process alive, so a timer does. */
class Told {
  readonly watch: FileWatch
  #paths = new Set<string>()
  #news = Promise.withResolvers<void>()

  constructor(t: TestContext) {
    const alive = setInterval(() => {}, 60_000)
    this.watch = new FileWatch((paths) => {
      for (const path of paths) this.#paths.add(path)
      this.#news.resolve()
    })
    t.after(() => {
      clearInterval(alive)
      this.watch[Symbol.dispose]()
    })
  }

  async next(): Promise<readonly string[]> {
    await this.#news.promise
    this.#news = Promise.withResolvers()
    const paths = [...this.#paths]
    this.#paths = new Set()
    return paths
  }
}

test('writing, renaming over it, removing, making again, another mode', async (t) => {
  const folder = await withFolder(t)
  const told = new Told(t)
  const file = join(folder, 'file')
  await writeFile(file, 'a')
  told.watch.follow([file, join(folder, 'other')])
  const changes: readonly (() => Promise<void>)[] = [
    () => writeFile(file, 'longer'),
    async () => {
      await writeFile(`${file}.new`, 'another')
      await rename(`${file}.new`, file)
    },
    () => chmod(file, 0o600),
    () => rm(file),
    () => writeFile(file, 'back'),
  ]
  for (const change of changes) {
    await change()
    assert.deepEqual(await told.next(), [file])
  }
})

test('a folder that is not there yet', async (t) => {
  const folder = join(await withFolder(t), 'later')
  const told = new Told(t)
  told.watch.follow([join(folder, 'file')])
  await mkdir(folder)
  await writeFile(join(folder, 'file'), 'a')
  assert.deepEqual(await told.next(), [join(folder, 'file')])
})

test('a link that is pointed elsewhere', async (t) => {
  const folder = await withFolder(t)
  const told = new Told(t)
  for (const name of ['a', 'b']) {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, 'file'), name)
  }
  await symlink('a', join(folder, 'data'))
  await symlink('data/file', join(folder, 'file'))
  told.watch.follow([join(folder, 'file')])
  await symlink('b', join(folder, 'new'))
  await rename(join(folder, 'new'), join(folder, 'data'))
  assert.deepEqual(await told.next(), [join(folder, 'file')])
})

test('following others: nothing is missed of those that stay, nothing told of those that are gone', async (t) => {
  const folder = await withFolder(t)
  const told = new Told(t)
  const [stays, goes, comes] = ['stays', 'goes', 'comes'].map((name) => join(folder, name))
  assert.ok(stays !== undefined && goes !== undefined && comes !== undefined)
  told.watch.follow([stays, goes])
  for (const path of [stays, goes, comes]) await writeFile(path, 'a')
  told.watch.follow([stays, comes])
  assert.deepEqual(await told.next(), [stays])
  await writeFile(goes, 'longer')
  await writeFile(comes, 'longer')
  assert.deepEqual(await told.next(), [comes])
  assert.equal(await readFile(goes, 'utf8'), 'longer')
})

test('after the end nothing is told', async (t) => {
  const file = join(await withFolder(t), 'file')
  const [ended, other] = [new Told(t), new Told(t)]
  for (const { watch } of [ended, other]) watch.follow([file])
  ended.watch[Symbol.dispose]()
  ended.watch.follow([file])
  await writeFile(file, 'a')
  await other.next()
  const nothing = Symbol('nothing')
  assert.equal(await Promise.race([ended.next(), Promise.resolve(nothing)]), nothing)
})
