import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { placeStandIns } from '../../../src/isolation/process/stand-ins.ts'
import { bubblewrapArguments, CageBed, withoutBubblewrap, withoutGit } from './cage-bed.ts'

/*
 * To keep a workload from making what is absent, something empty is put there while it runs. Afterwards the project
 * holds nothing of that, also when a run was killed; what others made or use meanwhile stays.
 */

const skip = withoutBubblewrap || withoutGit

test('nothing is left behind, whether the project is a repository or not', { skip }, () => {
  using bed = new CageBed()
  bed.write('project/package.json', '{}')
  bed.write('project/yarn.lock', '')
  const plain = listing(bed.project)
  bed.run('true')
  assert.deepEqual(listing(bed.project), plain)
  bed.makeRepository()
  spawnSync('rm', ['-rf', join(bed.project, '.git/hooks')])
  const repository = listing(bed.project)
  assert.equal(bed.run('true').status, 0)
  assert.deepEqual(listing(bed.project), repository)
})

test('what was placed does not show in git, inside or outside', { skip }, () => {
  using bed = new CageBed()
  bed.makeRepository()
  bed.write('project/package.json', '{}')
  bed.write('project/yarn.lock', '')
  bed.git('add', '.')
  bed.git('commit', '-q', '-m', 'packages')
  assert.equal(bed.run('git status --porcelain && git add -A && git status --porcelain').stdout, '')
  using _prepared = bed.prepare(['true'])
  assert.equal(bed.git('status', '--porcelain', '--', '.', ':!.yarnrc.yml'), '')
})

test('what a killed run left is taken over and removed by the next', { skip }, () => {
  using bed = new CageBed()
  bed.makeRepository()
  const before = listing(bed.project)
  bed.prepare(['true'])
  assert.notDeepEqual(listing(bed.project), before)
  bed.run('true')
  assert.deepEqual(listing(bed.project), before)
})

test('what somebody else made or filled meanwhile stays', { skip }, () => {
  using bed = new CageBed()
  const early = join(bed.project, 'early')
  const late = join(bed.project, 'late')
  mkdirSync(early)
  const placed = placeStandIns([
    { kind: 'directory', path: early },
    { kind: 'directory', path: late },
  ])
  bed.write('project/late/file', 'mine')
  placed[Symbol.dispose]()
  assert.ok(existsSync(early))
  assert.ok(existsSync(join(late, 'file')))
})

test('a second cage in the same project keeps its protection when the first ends', { skip }, async () => {
  using bed = new CageBed()
  bed.makeRepository()
  const before = listing(bed.project)
  const first = bed.prepare(['true'])
  const second = bed.prepare([
    'sh',
    '-c',
    'echo ready; read line; echo evil > .claude/x; echo evil > .git/commondir; mkdir .vscode/x',
  ])
  const child = spawn('bwrap', bubblewrapArguments(second.plan), { stdio: ['pipe', 'pipe', 'ignore'] })
  await once(child.stdout, 'data')
  first[Symbol.dispose]()
  assert.ok(existsSync(join(bed.project, '.claude')))
  child.stdin.end('go on\n')
  await once(child, 'close')
  second[Symbol.dispose]()
  assert.deepEqual(listing(bed.project), before)
})

test('a project that cannot be written is refused, and what was placed before goes', () => {
  using bed = new CageBed()
  const first = join(bed.project, 'first')
  // For root too: nobody can make anything in /sys.
  const places = process.getuid?.() === 0 ? '/sys' : join(bed.project, 'sealed')
  if (process.getuid?.() !== 0) mkdirSync(places, { mode: 0o555 })
  for (const kind of ['directory', 'file'] as const) {
    assert.throws(
      () =>
        placeStandIns([
          { kind: 'directory', path: first },
          { kind, path: join(places, 'x'), content: '' },
        ]),
      (error) => error instanceof CageError && error.code === 'mount_refused' && error.hint !== undefined,
    )
    assert.ok(!existsSync(first))
  }
})

function listing(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()
}

test('runs that begin and end in one project at the same time do not trip over each other', async () => {
  using bed = new CageBed()
  const standIns = [
    { kind: 'directory', path: join(bed.project, '.idea') },
    { kind: 'directory', path: join(bed.project, '.idea/inner') },
    { kind: 'file', path: join(bed.project, '.envrc'), content: '# empty\n' },
  ] as const
  const module = new URL('../../../src/isolation/process/stand-ins.ts', import.meta.url).href
  const program = `
    const { placeStandIns } = await import(${JSON.stringify(module)})
    for (let run = 0; run < 150; run++) placeStandIns(${JSON.stringify(standIns)})[Symbol.dispose]()`
  const runs = [1, 2, 3].map(() => spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'pipe' }))
  const ends = runs.map(async (child) => {
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const [code] = (await once(child, 'close')) as [number]
    assert.equal(code, 0, stderr)
  })
  await Promise.all(ends)
})
