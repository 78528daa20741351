import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { CageError, type ErrorCode } from '../../../src/errors.ts'
import { CREDENTIALS } from '../../../src/isolation/process/credentials.ts'
import { protectVolumes } from '../../../src/isolation/process/volume-protection.ts'
import { bubblewrapArguments, CageBed, withoutBubblewrap, withoutGit } from './cage-bed.ts'

/*
 * `container.volumes`: what they show, and what they refuse to. Credentials are refused however they are named:
 * directly, from above, from below, by symbolic link, by a copy of a home. A mount leads into places of its own, never
 * over what the cage is made of.
 */

const skip = withoutBubblewrap

test('volumes are writable unless they say ro, and expand variables and ~', { skip }, () => {
  using bed = new CageBed()
  bed.write('data/in', 'input')
  bed.write('reference/text', 'read me')
  const container = { volumes: ['~/data:/data', '$REFERENCE:/srv/reference:ro'] }
  const { stdout, stderr } = bed.run(
    'cat /data/in /srv/reference/text; echo out > /data/out; echo evil > /srv/reference/text',
    {
      container,
      environment: { REFERENCE: join(bed.home, 'reference') },
    },
  )
  assert.equal(stdout, 'inputread me')
  assert.match(stderr, /Read-only file system/)
  assert.ok(existsSync(join(bed.home, 'data/out')))
})

test('a volume may lie in the empty home, in the project, and be a single file', { skip }, () => {
  using bed = new CageBed()
  bed.write('notes/today', 'today')
  const volumes = [
    '~/notes:$HOME/notes',
    `~/notes/today:${bed.project}/made/here/today:ro`,
    `~/notes:${bed.home}/.config/notes:ro`,
  ]
  const container = { volumes: volumes.map((volume) => volume.replace(':$HOME', `:${bed.home}`)) }
  const { stdout, stderr } = bed.run('cat ~/notes/today made/here/today ~/.config/notes/today', { container })
  assert.equal(stdout, 'todaytodaytoday', stderr)
  assert.ok(!existsSync(join(bed.project, 'made')), 'mount points in the project are removed again')
})

/** What git and others would run from the repository that the attacks can write, by way of /data. */
const ATTACKS: Readonly<Record<string, string>> = {
  'a hook': 'echo evil > /data/.git/hooks/post-checkout',
  'a command in the configuration':
    'git -C /data config core.fsmonitor evil; echo "[core]fsmonitor=evil" >> /data/.git/config',
  'another .git': 'mv /data/.git /data/x; mkdir -p /data/.git/hooks; echo evil > /data/.git/hooks/post-checkout',
  'settings of an agent': 'mkdir /data/.claude; echo evil > /data/.claude/settings.json',
  'settings of a shell': 'echo evil > /data/.envrc',
}

for (const [what, source] of Object.entries({
  'a repository': '~/other',
  'the project': '.',
  'what holds it': '~/all',
})) {
  test(`nothing that runs later is written by a volume that shows ${what}`, { skip: skip || withoutGit }, () => {
    for (const [attack, script] of Object.entries(ATTACKS)) {
      using bed = new CageBed()
      const repository = source === '.' ? bed.project : join(bed.home, source.slice(2))
      const project = source === '~/all' ? join(repository, 'sub') : bed.project
      mkdirSync(project, { recursive: true })
      spawnSync('git', ['init', '-q', repository])
      const { stderr } = bed.run(script, {
        project,
        workingDirectory: project,
        container: { volumes: [`${source === '.' ? project : source}:/data`] },
      })
      const written = ['.git/hooks/post-checkout', '.claude', '.envrc'].filter((path) =>
        existsSync(join(repository, path)),
      )
      assert.deepEqual([attack, written], [attack, []], stderr)
      assert.doesNotMatch(readFileSync(join(repository, '.git/config'), 'utf8'), /evil/)
      assert.ok(stderr !== '', attack)
    }
  })
}

const withRights = process.getuid?.() === 0 && 'root may write everywhere'

test(
  'a folder of somebody else that may not be written needs nothing in it, and is shown',
  { skip: withRights },
  () => {
    const volume = { kind: 'bind', source: '/usr/sbin', target: '/data', writable: true } as const
    const { mounts, standIns } = protectVolumes([volume])
    assert.deepEqual([mounts, standIns], [[volume], []])
  },
)

test('what a workload leaves in a volume is named too', { skip: skip || withoutGit }, () => {
  using bed = new CageBed()
  bed.write('data/in', 'input')
  const script = 'git init -q /data/new; git -C /data/new config core.fsmonitor evil'
  using prepared = bed.prepare(['sh', '-c', script], { container: { volumes: ['~/data:/data'] } })
  assert.equal(spawnSync('bwrap', bubblewrapArguments(prepared.plan)).status, 0)
  assert.deepEqual(
    prepared.leftovers().map(({ path }) => path),
    [join(bed.home, 'data/new/.git/config')],
  )
})

test('a volume can open a protected folder of the project on purpose', { skip }, () => {
  using bed = new CageBed()
  bed.write('project/.claude/settings.json', '{}')
  const container = { volumes: [`./.claude:${bed.project}/.claude`] }
  assert.equal(bed.run('echo new > .claude/local', { container }).status, 0)
  assert.ok(existsSync(join(bed.project, '.claude/local')))
})

test('every credentials folder is refused: itself, below, above, by link', () => {
  for (const credential of CREDENTIALS) {
    using bed = new CageBed()
    bed.write(`${credential}/inner/key`, 'secret')
    symlinkSync(join(bed.home, credential), join(bed.home, 'harmless'))
    symlinkSync(join(bed.home, credential, '..'), join(bed.home, 'above'))
    for (const path of [
      credential,
      `${credential}/inner`,
      `${credential}/inner/key`,
      'harmless',
      'harmless/inner',
      `${credential}/..`,
      'above',
    ]) {
      refused(bed, [`~/${path}:/data`], 'mount_refused', /credentials/)
    }
  }
})

test('credentials behind a link in the home are refused where they are', () => {
  using bed = new CageBed()
  bed.write('vault/keys/id', 'secret')
  symlinkSync(join(bed.home, 'vault/keys'), join(bed.home, '.ssh'))
  for (const path of ['vault', 'vault/keys', 'vault/keys/id'])
    refused(bed, [`~/${path}:/data`], 'mount_refused', /\.ssh/)
})

test('a link that a workload can have planted shows nothing of the home', () => {
  using bed = new CageBed()
  bed.write('private/diary', 'dear diary')
  bed.write('data/in', 'input')
  const diary = join(bed.home, 'private')
  symlinkSync(diary, join(bed.project, 'out'))
  symlinkSync('../../private', join(bed.home, 'data/deep'))
  symlinkSync(join(bed.project, 'out'), join(bed.home, 'by'))
  const planted = /passes the symbolic link '.*' to '.*\/private', and a workload may have made that link/
  refused(bed, ['./out:/data'], 'mount_refused', planted)
  refused(bed, ['./out:/data:ro'], 'mount_refused', planted)
  refused(bed, ['./out/diary:/data'], 'mount_refused', /a workload may have made that link/)
  refused(bed, ['~/by:/data'], 'mount_refused', planted)
  symlinkSync('../private', join(bed.home, 'data/sub'))
  refused(bed, ['~/data:/data', '~/data/sub:/sub'], 'mount_refused', planted)
  refused(bed, ['~/data/sub:/sub', '~/data:/data'], 'mount_refused', planted)
})

test('links that no workload made, and those that stay where they are, are followed', { skip }, () => {
  using bed = new CageBed()
  bed.write('private/diary', 'dear diary')
  bed.write('project/real/file', 'mine')
  symlinkSync(join(bed.home, 'private'), join(bed.home, 'mine'))
  symlinkSync('real', join(bed.project, 'link'))
  const { stdout } = bed.run('cat /data/diary /linked/file', {
    container: { volumes: ['~/mine:/data:ro', './link:/linked'] },
  })
  assert.equal(stdout, 'dear diarymine')
})

test('a copy of a home is refused', () => {
  using bed = new CageBed()
  bed.write('backup/.ssh/id', 'secret')
  refused(bed, ['~/backup:/data'], 'mount_refused', /has a copy of credentials/)
})

test('the home itself and what lies outside it are refused, also by link', () => {
  using bed = new CageBed()
  mkdirSync(join(bed.folder, 'outside'))
  symlinkSync(join(bed.folder, 'outside'), join(bed.home, 'link'))
  symlinkSync('/etc', join(bed.home, 'etc'))
  refused(bed, ['~:/data'], 'mount_refused', /contains credentials/)
  refused(
    bed,
    ['~/link:/data'],
    'mount_refused',
    /^volume host path '.*\/link' resolves to '.*\/outside' which is outside the home directory \('.*'\)$/,
  )
  for (const path of ['~/etc', '~/..', '/', '/etc', '/proc', '/sys'])
    refused(bed, [`${path}:/data`], 'mount_refused', /outside the home directory/)
  refused(bed, ['~/absent:/data'], 'mount_refused', /does not exist/)
})

test('credentials can be named on purpose, each as it is written', { skip }, () => {
  using bed = new CageBed()
  bed.write('.aws/config', 'region')
  const volumes = ['~/.aws:/aws:ro']
  assert.equal(
    bed.run('cat /aws/config', { container: { volumes, allow_credential_mounts: ['~/.aws'] } }).stdout,
    'region',
  )
  assert.equal(
    bed.run('cat /aws/config', { container: { volumes, allow_credential_mounts: [join(bed.home, '.aws')] } }).stdout,
    'region',
  )
  assert.throws(() => bed.prepare(['true'], { container: { volumes, allow_credential_mounts: ['~/.ssh', '~'] } }))
})

test('sockets are refused, and folders that hold one', async () => {
  using bed = new CageBed()
  mkdirSync(join(bed.home, 'run'))
  await using server = createServer().listen(join(bed.home, 'run/docker.sock'))
  await once(server, 'listening')
  refused(bed, ['~/run/docker.sock:/docker.sock'], 'mount_refused', /is a socket/)
  refused(bed, ['~/run:/data'], 'mount_refused', /holds the socket 'docker\.sock'/)
})

test("agentcage's own folders are refused", () => {
  using bed = new CageBed()
  const own = join(bed.home, 'data/state')
  mkdirSync(join(own, 'cage'), { recursive: true })
  for (const path of ['data', 'data/state', 'data/state/cage']) {
    assert.throws(
      () => bed.prepare(['true'], { ownFolders: [own], container: { volumes: [`~/${path}:/data`] } }),
      /agentcage's own folder/,
    )
  }
})

test('nothing is mounted over what the cage is made of', () => {
  using bed = new CageBed()
  mkdirSync(join(bed.home, 'data'))
  const taken = [
    '/',
    '/proc',
    '/proc/self',
    '/dev/shm',
    '/sys',
    '/etc',
    '/etc/resolv.conf',
    '/usr',
    '/usr/bin',
    '/bin',
    '/tmp',
    '/run',
    '/run/agentcage/ca.pem',
  ]
  for (const inside of [...taken, bed.home, bed.project, join(bed.home, '..'), '/run/agentcage']) {
    refused(bed, [`~/data:${inside}`], 'mount_refused', /would replace part of the cage/)
    refused(bed, [`~/data:/${inside}/`], 'mount_refused', /would replace part of the cage/)
  }
  symlinkSync(bed.folder, join(bed.project, 'out'))
  refused(bed, [`~/data:${bed.project}/out/made`], 'mount_refused', /cannot be a mount point/)
  refused(bed, [`~/data:${bed.project}/out`], 'mount_refused', /cannot be a mount point/)
})

test('malformed volumes are errors of the configuration', () => {
  using bed = new CageBed()
  for (const volume of [
    '~/data',
    ':/data',
    '~/data:',
    '~/data:/data:rw:x',
    '~/data:/data:exec',
    'a\0b:/data',
    '$UNSET/x:/data',
  ]) {
    refused(bed, [volume], 'config_invalid', /volume/)
  }
  mkdirSync(join(bed.home, 'data'))
  for (const inside of ['data', '../data', '/a/../etc'])
    refused(bed, [`~/data:${inside}`], 'config_invalid', /absolute path/)
})

function refused(bed: CageBed, volumes: readonly string[], code: ErrorCode, message: RegExp): void {
  assert.throws(
    () => bed.prepare(['true'], { container: { volumes } }),
    (error) => {
      assert.ok(error instanceof CageError, String(error))
      assert.equal(error.code, code, `${volumes[0]}: ${error.message}`)
      assert.match(error.message, message)
      assert.ok(error.hint)
      return true
    },
  )
}
