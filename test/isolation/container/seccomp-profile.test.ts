/**
 * The seccomp profile of a workload that writes to folders of the host: Podman's own, without the calls that make a file
 * set-user-ID or set-group-ID. The kernel's word on it is in e2e/container/published.test.ts.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CageError } from '../../../src/errors.ts'
import { profileWithoutSetId } from '../../../src/isolation/container/seccomp-profile.ts'

/** In the form of containers/common: what is allowed, what is on conditions, and what some capability allows. */
const PODMANS = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 38,
  archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] }],
  syscalls: [
    { names: ['bdflush', 'io_uring_setup'], action: 'SCMP_ACT_ERRNO', errnoRet: 1, args: [] },
    {
      names: [
        'chmod',
        'creat',
        'fchmod',
        'fchmodat',
        'fchmodat2',
        'mknod',
        'mknodat',
        'open',
        'openat',
        'openat2',
        'read',
      ],
      action: 'SCMP_ACT_ALLOW',
      args: [],
      includes: {},
      excludes: {},
    },
    { names: ['openat2'], action: 'SCMP_ACT_ALLOW', args: null, includes: { caps: ['CAP_SYS_ADMIN'] } },
    {
      names: ['socket', 'fchmod'],
      action: 'SCMP_ACT_ALLOW',
      args: [{ index: 0, value: 16, valueTwo: 0, op: 'SCMP_CMP_NE' }],
    },
  ],
}

/** Which argument has the mode, and which one flags without which there is none. */
const MODES = {
  chmod: [1],
  fchmod: [1],
  creat: [1],
  mknod: [1],
  fchmodat: [2],
  fchmodat2: [2],
  mknodat: [2],
  open: [2, 1],
  openat: [3, 2],
} as const

test('a mode with one of the bits is refused as not permitted, whatever else it says; every other one is taken', () => {
  const profile = made(PODMANS)
  const word = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
  const call = fc.constantFrom(...(Object.keys(MODES) as (keyof typeof MODES)[]))
  fc.assert(
    fc.property(call, fc.array(word, { minLength: 6, maxLength: 6 }), (name, args) => {
      const [mode, flags] = MODES[name]
      const creates = flags === undefined || ((args[flags] ?? 0n) & 0o20000100n) !== 0n
      const hasBit = creates && ((args[mode] ?? 0n) & 0o6000n) !== 0n
      assert.deepEqual(answersTo(profile, name, args), [hasBit ? 'EPERM' : 'ALLOW'])
    }),
    { numRuns: 2000 },
  )
})

test('what takes its mode from memory is not there, not for a capability either; the rest is as it was', () => {
  const profile = made(PODMANS)
  for (const name of ['openat2', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'])
    assert.ok(!answersTo(profile, name, []).includes('ALLOW'), name)
  assert.deepEqual(answersTo(profile, 'read', []), ['ALLOW'])
  assert.deepEqual(answersTo(profile, 'socket', [2n]), ['ALLOW'])
  assert.deepEqual(answersTo(profile, 'mount', []), [])
  const { syscalls: _, ...rest } = PODMANS
  assert.deepEqual({ ...profile, syscalls: undefined }, { ...rest, syscalls: undefined })
})

test('no rule of one call holds together with one that says otherwise: libseccomp has no order', () => {
  const profile = made(PODMANS)
  for (const name of Object.keys(MODES))
    for (const flags of [0n, 0o100n, 0o20000000n, 0o20000100n])
      for (const mode of [0n, 0o2000n, 0o4000n, 0o6000n]) {
        const args = [flags, flags, flags, flags].map((value, index) =>
          index === MODES[name as keyof typeof MODES][0] ? mode : value,
        )
        assert.equal(answersTo(profile, name, args).length, 1, `${name} ${args.join(' ')}`)
      }
})

test('a profile that is none, or that allows what it does not name, is refused with its path', () => {
  const refused = (text: string, reason: RegExp): void => {
    const isSaid = (error: unknown): boolean => error instanceof CageError && reason.test(error.message)
    assert.throws(() => profileWithoutSetId(text, '/etc/containers/seccomp.json'), isSaid, text)
  }
  refused('{', /^the seccomp profile \/etc\/containers\/seccomp\.json cannot be used: it is no JSON$/)
  for (const wrong of [
    null,
    [],
    {},
    { ...PODMANS, syscalls: {} },
    { ...PODMANS, syscalls: [{ names: 'chmod', action: 'x' }] },
  ])
    refused(JSON.stringify(wrong), /it is no list of system calls/)
  for (const defaultAction of ['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE', 'whatever'])
    refused(JSON.stringify({ ...PODMANS, defaultAction }), /it allows what it does not name/)
})

interface Profile {
  readonly syscalls: readonly {
    readonly names: readonly string[]
    readonly action: string
    readonly errnoRet?: number
    readonly args?: readonly { index: number; value: number; valueTwo: number; op: string }[] | null
  }[]
}

function made(profile: unknown): Profile {
  return JSON.parse(profileWithoutSetId(JSON.stringify(profile), 'profile.json')) as Profile
}

/** What the entries that match a call say. Arguments are of 64 bits, as libseccomp compares them. */
function answersTo({ syscalls }: Profile, name: string, args: readonly bigint[]): readonly string[] {
  const matching = syscalls.filter(
    ({ names, args: conditions }) =>
      names.includes(name) &&
      (conditions ?? []).every(({ index, value, valueTwo, op }) =>
        op === 'SCMP_CMP_MASKED_EQ'
          ? ((args[index] ?? 0n) & BigInt(value)) === BigInt(valueTwo)
          : (args[index] ?? 0n) !== BigInt(value),
      ),
  )
  return matching.map(({ action, errnoRet }) =>
    action === 'SCMP_ACT_ALLOW' ? 'ALLOW' : errnoRet === 1 ? 'EPERM' : `${action} ${errnoRet}`,
  )
}
