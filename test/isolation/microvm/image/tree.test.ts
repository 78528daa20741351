/*
 * The files of an image as its layers make them: later ones hide and replace, links are never gone through, and no name
 * leads out of the root.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CageError } from '../../../../src/errors.ts'
import { ImageTree, type ImageFolder } from '../../../../src/isolation/microvm/image/tree.ts'

function shown({ entries }: ImageFolder): object {
  return Object.fromEntries(
    [...entries].map(([name, node]) => [
      name,
      node.kind === 'folder' ? shown(node) : node.kind === 'file' ? node.content : `-> ${node.target}`,
    ]),
  )
}

/** `file` with its number as content. */
function put(tree: ImageTree, path: string, content = 1): void {
  tree.file(path, { mode: 0o644, content, size: 0 })
}

test('layers lie over one another', () => {
  const tree = new ImageTree()
  tree.beginLayer()
  put(tree, './etc/passwd', 1)
  put(tree, '/usr/bin/tool', 2)
  tree.symlink('bin', 'usr/bin')
  tree.hardlink('usr/bin/alias', 'usr/bin/tool')
  tree.beginLayer()
  put(tree, 'etc/passwd', 3)
  assert.equal(tree.whiteout('usr/bin/.wh.tool'), true)
  assert.equal(tree.whiteout('usr/bin/tool'), false)
  assert.deepEqual(shown(tree.root), { etc: { passwd: 3 }, usr: { bin: { alias: 2 } }, bin: '-> usr/bin' })
})

test('an opaque folder hides what lower layers have in it, at any depth and in any order', () => {
  const tree = new ImageTree()
  tree.beginLayer()
  put(tree, 'data/old', 1)
  put(tree, 'data/deep/old', 1)
  put(tree, 'kept', 1)
  tree.beginLayer()
  put(tree, 'data/deep/new', 2)
  tree.whiteout('data/.wh..wh..opq')
  put(tree, 'data/late', 2)
  assert.deepEqual(shown(tree.root), { data: { deep: { new: 2 }, late: 2 }, kept: 1 })
})

test('a file in place of a folder, and a folder in place of a link', () => {
  const tree = new ImageTree()
  tree.beginLayer()
  put(tree, 'a/b', 1)
  tree.symlink('link', '/etc')
  tree.beginLayer()
  put(tree, 'a', 2)
  tree.folder('link', 0o755)
  put(tree, 'link/passwd', 3)
  assert.deepEqual(shown(tree.root), { a: 2, link: { passwd: 3 } })
})

const REFUSED: readonly (readonly [what: string, act: (tree: ImageTree) => unknown])[] = [
  ['a path that leaves the root', (tree) => put(tree, '../etc/passwd')],
  ['a path that leaves it in its middle', (tree) => put(tree, 'a/../../b')],
  ['a path through a link', (tree) => put(tree, 'out/passwd')],
  ['a path through a file', (tree) => put(tree, 'file/passwd')],
  ['a folder that leaves the root', (tree) => tree.folder('..', 0o755)],
  ['a hard link to what is outside', (tree) => tree.hardlink('x', '../../etc/shadow')],
  ['a hard link through a link', (tree) => tree.hardlink('x', 'out/shadow')],
  ['a hard link to a folder', (tree) => tree.hardlink('x', 'folder')],
  ['a hard link to nothing', (tree) => tree.hardlink('x', 'etc/shadow')],
  ['a link to nowhere', (tree) => tree.symlink('x', '')],
  ['a file that is the root', (tree) => put(tree, './')],
  ['a NUL in a name', (tree) => put(tree, 'a\0b')],
  ['a name that no file has', (tree) => put(tree, 'x'.repeat(256))],
  ['a path that is too long', (tree) => put(tree, 'x/'.repeat(2100))],
  ['a whiteout of the folder above', (tree) => tree.whiteout('folder/.wh...')],
  ['a whiteout of nothing', (tree) => tree.whiteout('folder/.wh.')],
]

for (const [what, act] of REFUSED)
  test(`refused: ${what}`, () => {
    const tree = new ImageTree()
    tree.beginLayer()
    put(tree, 'file')
    tree.folder('folder', 0o755)
    tree.symlink('out', '/etc')
    assert.throws(() => act(tree), CageError)
  })
