/*
 * The whole way of `vmm: firecracker` on this host - cage, moat with its TAP device, disks, API, vsock, handing back - with a
 * program in Firecracker's place (peer.py) that is as strict as its API description and plays a guest. The dialogue with it is
 * a golden file. Whatever goes wrong is said in a word, and leaves no process behind; the project is the guest's or as it was.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { Mount } from '../../../../src/isolation/isolation.ts'
import { launchFirecracker } from '../../../../src/isolation/microvm/firecracker/launch-firecracker.ts'
import { machineTap } from '../../../../src/isolation/microvm/firecracker/network.ts'
import { requireBusybox } from '../../../../src/isolation/microvm/host-parts.ts'
import { systemMounts } from '../../../../src/isolation/process/filesystem.ts'
import { gatherHost } from '../../../../src/isolation/process/host.ts'
import type { Workload } from '../../../../src/isolation/process/launch.ts'
import { openMoat, type Moat } from '../../../../src/isolation/process/moat.ts'
import { withoutMachinesOr } from '../../../e2e/support/machine.ts'
import { assertGolden } from '../../../support/golden.ts'
import { ociArchive } from '../../../support/oci-image.ts'
import { missingTools } from '../../../support/requires.ts'
import { makeFolder } from '../../../support/temporary.ts'
import { API_FIELDS } from './api-fields.ts'
import { failsWith } from '../workload-failure.ts'

const skip = withoutMachinesOr('python3') || missingTools('socat', 'mkfs.ext4', 'debugfs')
const PEER = readFileSync(join(import.meta.dirname, 'peer.py'), 'utf8')
const GOLDEN = join(import.meta.dirname, 'golden/dialogue.txt')
const PROJECT = '/project'

/** What the peer is to do; see there. */
interface Play {
  readonly [deed: string]: unknown
  readonly guest?: Readonly<Record<string, unknown>>
}

interface Launched {
  readonly launching: Promise<Workload>
  readonly scratch: string
  readonly project: string
  readonly log: string[]
}

describe('a machine of Firecracker’s', { skip }, () => {
  let folder: string
  let moat: Moat

  before(async () => {
    folder = await makeFolder()
    moat = await openMoat({ tcpPorts: [], proxy: { address: '198.18.0.1', port: 3128 }, tap: machineTap() })
    const busybox = { path: 'bin/busybox', content: readFileSync(requireBusybox()), mode: 0o755 }
    writeFileSync(join(folder, 'image.tar'), ociArchive([[busybox]]))
  })
  after(async () => {
    moat.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function launch(
    play: Play,
    { patience = 60_000, signal }: { patience?: number; signal?: AbortSignal } = {},
  ): Promise<Launched> {
    const own = await mkdtemp(join(folder, 'run-'))
    const [scratch, project, firecracker] = ['scratch', 'project', 'firecracker'].map((name) => join(own, name)) as [
      string,
      string,
      string,
    ]
    for (const path of [scratch, project]) await mkdir(path, { mode: 0o700 })
    for (const name of ['kept', 'changed', 'removed']) writeFileSync(join(project, name), `${name} on the host\n`)
    await mkdir(join(project, 'hooks'))
    writeFileSync(join(project, 'hooks/pre-commit'), 'the host’s\n')
    const words = JSON.stringify({ ...play, fields: API_FIELDS })
    const script = PEER.replace(/^PLAY = .*$/m, () => `PLAY = json.loads(${JSON.stringify(words)})`)
    writeFileSync(firecracker, script, { mode: 0o755 })
    const log: string[] = []
    const launching = launchFirecracker(
      { command: ['true'], workingDirectory: PROJECT, environment: {}, mounts: mountsOf(project), limits: {} },
      moat,
      {
        settings: { firecracker, image: join(folder, 'image.tar'), vcpus: 2, memoryMebibytes: 512, diskMebibytes: 64 },
        devices: ['/dev/net/tun'],
        open: false,
        stdio: ['ignore', 'pipe', 'pipe'],
        own: process,
        scratch,
        cache: join(folder, 'cache'),
        patience,
        signal,
        log: (line) => log.push(line),
      },
    )
    launching.catch(() => undefined)
    return { launching, scratch, project, log }
  }

  function mountsOf(project: string): readonly Mount[] {
    return [
      ...systemMounts(gatherHost({ environment: { HOME: folder }, ownFolders: [] })),
      { kind: 'bind', source: project, target: PROJECT, writable: true },
      { kind: 'mask', target: `${PROJECT}/hooks`, over: 'directory' },
    ]
  }

  /** Nothing of the run is running any more, nothing half-made is kept, and the project is as it was. */
  function assertNothingLeft({ scratch, project }: Launched): void {
    assert.deepEqual(processesWith(scratch), [])
    assert.deepEqual(readdirSync(project).toSorted(), ['changed', 'hooks', 'kept', 'removed'])
    for (const name of ['kept', 'changed', 'removed'])
      assert.equal(readFileSync(join(project, name), 'utf8'), `${name} on the host\n`)
    assert.equal(
      existsSync(join(folder, 'cache')) &&
        readdirSync(join(folder, 'cache')).some((name) => name.startsWith('making-')),
      false,
    )
  }

  test('is asked for as it was recorded, and what its guest changed comes back exactly', async () => {
    const run = await launch({
      guest: {
        output: 'done\n',
        code: 7,
        disk: [
          `cd ${PROJECT}`,
          'rm changed',
          'write <made> changed',
          'sif changed mode 0100755',
          'rm removed',
          'mkdir new',
          'write <made> new/file',
          'symlink new/inside file',
          'symlink out /etc/passwd',
          'write <made> powerful',
          'sif powerful mode 0104755',
          'write <made> hooks/pre-commit',
        ],
      },
    })
    const workload = await run.launching
    assert.notDeepEqual(processesWith(run.scratch), [])
    assert.equal(await text(workload.stdout as NodeJS.ReadableStream), 'done\n')
    assert.deepEqual(await workload.exited, { code: 7 })
    assert.deepEqual(processesWith(run.scratch), [])
    assertGolden(GOLDEN, readFileSync(join(run.scratch, 'fc/dialogue'), 'utf8').replaceAll('\r', ''))
    assert.deepEqual(readdirSync(run.project).toSorted(), ['changed', 'hooks', 'kept', 'new'])
    assert.equal(readFileSync(join(run.project, 'kept'), 'utf8'), 'kept on the host\n')
    for (const name of ['changed', 'new/file', 'new/inside'])
      assert.equal(readFileSync(join(run.project, name), 'utf8'), 'made by the guest\n')
    assert.equal(readFileSync(join(run.project, 'hooks/pre-commit'), 'utf8'), 'the host’s\n')
    assert.deepEqual(run.log, [
      `warning: ${PROJECT}/out was not taken over: it is a link that leads elsewhere`,
      `warning: ${PROJECT}/powerful was not taken over: it has a set-user-id or set-group-id bit`,
    ])
  })

  const FAULT = 'The number of vCPUs must be greater than 0, less than 32 \u001b]0;x\u0007'
  const FAILURES: readonly (readonly [what: string, play: Play, problem: RegExp, patience?: number])[] = [
    [
      'ends at once',
      { dies: 'Missing KVM: \u001b[2J' },
      /^Firecracker ended before it listened; it printed: Missing KVM: \\u001b\[2J$/,
    ],
    ['never listens', { deaf: true }, /^Firecracker did not listen within 0\.3 s$/, 300],
    [
      'refuses a request',
      { refuses: ['/machine-config', FAULT] },
      /^Firecracker answered 400: The number .* \\u001b\]0;x\\u0007 \(PUT \/machine-config\); it printed: .*Running Firecracker$/,
    ],
    [
      'cannot start the guest',
      { refuses: ['/actions', 'Cannot create vCPU'] },
      /^Firecracker answered 400: Cannot create vCPU \(PUT \/actions\)/,
    ],
    ['breaks off its answer', { 'breaks off at': '/vsock' }, /^Firecracker does not answer: .*\(PUT \/vsock\)/],
    [
      'ends in the middle',
      { 'dies at': '/boot-source' },
      /^Firecracker does not answer: .*\(PUT \/boot-source\); it printed: .*panicked$/,
    ],
    ['floods what it prints', { prints: 100_000, 'dies at': '/actions' }, /^Firecracker does not answer: .{0,900}$/],
    [
      'has a guest that panics',
      { guest: { panics: 'no init \u001b[2J' } },
      /^the VMM ended: .*Kernel panic - not syncing: no init \\u001b\[2J$/,
    ],
    [
      'has a guest of another version',
      { guest: { says: 'hello 1\n' } },
      /^the guest said hello where hello was to come$/,
    ],
    ['has a guest that says nonsense', { guest: { says: 'x'.repeat(70_000) } }, /^the guest said what no guest says/],
  ]

  for (const [what, play, problem, patience] of FAILURES)
    test(`that ${what} is ended, and says so`, async () => {
      const run = await launch(play, { ...(patience !== undefined && { patience }) })
      await assert.rejects(run.launching, failsWith(problem))
      assertNothingLeft(run)
    })

  test('whose guest never speaks is given up', async () => {
    const run = await launch({ guest: { silent: true } }, { patience: 3000 })
    await assert.rejects(run.launching, failsWith(/^the guest did not answer within 3 s$/))
    assertNothingLeft(run)
  })

  test('that dies while its command runs takes nothing over, and its disk is kept', async () => {
    const run = await launch({ guest: { leaves: true, disk: [`cd ${PROJECT}`, 'rm kept'] } })
    const workload = await run.launching
    await assert.rejects(workload.exited, failsWith(/^the machine ended before its command did/))
    assertNothingLeft(run)
    assert.match(
      run.log.join('\n'),
      /^warning: nothing that the guest changed was taken over; the guest’s disk is in .*unsaved-/,
    )
  })

  test('ends with the signal of who started it', async () => {
    const ending = new AbortController()
    const run = await launch({ 'silent at': '/vsock' }, { signal: ending.signal })
    const dialogue = join(run.scratch, 'fc/dialogue')
    while (!existsSync(dialogue) || !readFileSync(dialogue, 'utf8').includes('PUT /network-interfaces'))
      await setTimeout(20)
    ending.abort(new Error('enough'))
    await assert.rejects(run.launching, /enough/)
    assertNothingLeft(run)
  })
})

/** Processes whose cages show something of a run's folder, by its name that no other has. */
function processesWith(scratch: string): readonly string[] {
  const name = basename(dirname(scratch))
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && showsFolder(pid, name))
}

function showsFolder(pid: string, name: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(`/${name}/`)
  } catch {
    return false // Gone in between, or another user's.
  }
}
