/*
 * The seccomp filter in a real cage: the kernel refuses what the table says, and ordinary programs work. Calls are made
 * by number from Python, with errno for an answer, because C libraries hide some of them.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NEWEST_SYSCALL, SYSCALLS, syscallNumber } from '../../../src/isolation/process/syscalls.ts'
import { machineArchitecture, RULES } from '../../../src/isolation/process/seccomp.ts'
import type { Moat } from '../../../src/isolation/process/moat.ts'
import { hiddenRuntime, missingTools } from '../../support/requires.ts'
import { plainPlan, runInCage, runScript, withMoat, withoutCages, withoutPython } from './real-cage.ts'

const skip = withoutPython('ctypes', 'mmap', 'pty', 'socket')
const machine = machineArchitecture() ?? 'x86_64'

const PRELUDE = `
import ctypes, errno, os, pty, socket, mmap
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
n = ${JSON.stringify(Object.fromEntries(SYSCALLS.map((name) => [name, syscallNumber(name, machine) ?? -1])))}
def call(number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a if a < 2**63 else a - 2**64) for a in args])
    return 'ok' if result >= 0 else errno.errorcode[ctypes.get_errno()]
`

async function inside(t: Parameters<typeof withMoat>[0], script: string): Promise<string> {
  const { code, stdout, stderr } = await runInCage(
    plainPlan(['/usr/bin/python3', '-c', PRELUDE + script]),
    await withMoat(t),
  )
  assert.equal(code, 0, stderr)
  return stdout.trim()
}

test('every call of a rule without conditions is refused', { skip }, async (t) => {
  const always = RULES.filter(({ when }) => when === undefined)
  const expected = always.flatMap(({ calls, answer }) =>
    calls.filter((call) => syscallNumber(call, machine) !== undefined).map((call) => `${call} ${answer}`),
  )
  const names = expected.map((line) => line.split(' ')[0])
  const out = await inside(t, `for name in ${JSON.stringify(names)}: print(name, call(n[name], 0, 0, 0, 0, 0, 0))`)
  assert.deepEqual(out.split('\n'), expected)
})

test('namespaces: unshare, clone and setns are refused, alone and among other bits', { skip }, async (t) => {
  const flags = [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000]
  const out = await inside(
    t,
    `
for flag in ${JSON.stringify(flags)}:
    print(call(n['unshare'], flag), call(n['unshare'], flag | 0x400), call(n['unshare'], flag | 1 << 40), call(n['clone'], flag | 17, 0, 0, 0, 0))
print(call(n['unshare'], 0x80))
print(call(n['setns'], os.open('/proc/self/ns/user', os.O_RDONLY), 0))
`,
  )
  assert.deepEqual([...new Set(out.split(/\s+/))], ['EPERM'])
  const { stderr } = await runScript(
    'unshare -U true; unshare -r true; nsenter -t 1 -n true; bwrap --ro-bind / / true',
    await withMoat(t),
  )
  assert.equal(stderr.trim().split('\n').length, 4, stderr)
})

test('sockets: only those that programs need', { skip }, async (t) => {
  const families = [3, 4, 5, 9, 15, 17, 21, 29, 30, 31, 38, 39, 40, 44]
  const out = await inside(
    t,
    `
print([call(n['socket'], family, kind, 0) for family in ${JSON.stringify(families)} for kind in (1, 2, 3, 5)])
print([call(n['socket'], family | 1 << 32, 1, 0) for family in (17, 38, 40)])
print([call(n['socket'], family, 3, protocol) for family in (2, 10) for protocol in (1, 6, 58, 255)], call(n['socket'], 2, 10, 0x300))
print([call(n['socket'], 16, 3, protocol) for protocol in (2, 4, 9, 10, 12, 15, 16, 21)])
print([call(n['socket'], *a) for a in ((1, 1, 0), (1, 2, 0), (2, 1, 0), (2, 2, 0), (10, 1, 0), (10, 2, 0), (16, 3, 0))])
`,
  )
  const lines = out.split('\n')
  assert.match(lines[0] ?? '', /^\[('EAFNOSUPPORT'(, )?)+\]$/)
  assert.match(lines[1] ?? '', /^\[('EAFNOSUPPORT'(, )?)+\]$/)
  assert.match(lines[2] ?? '', /^\[('EPERM'(, )?)+\] EPERM$/)
  assert.match(lines[3] ?? '', /^\[('EAFNOSUPPORT'(, )?)+\]$/)
  assert.match(lines[4] ?? '', /^\[('ok'(, )?)+\]$/)
})

test('nothing can be typed into a terminal, whatever the high bits say', { skip }, async (t) => {
  const out = await inside(
    t,
    `
master, slave = pty.openpty()
letter = ctypes.create_string_buffer(b'x')
for request in (0x5412, 0x541c, 0x541d, 0x5423):
    for high in (0, 1 << 32, 0xffffffff << 32):
        print(call(n['ioctl'], slave, request | high, ctypes.addressof(letter)))
size = ctypes.create_string_buffer(8)
print(call(n['ioctl'], slave, 0x5413, ctypes.addressof(size)))
`,
  )
  assert.deepEqual(out.split('\n'), [...Array.from({ length: 12 }, () => 'EPERM'), 'ok'])
})

test('no file becomes set-user-id or set-group-id, by whatever call', { skip }, async (t) => {
  const out = await inside(
    t,
    `
import stat, tempfile
os.umask(0)
os.chdir('/tmp')
open('file', 'w').close()
def attempt(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return 'ok'
for bits in (0o4000, 0o2000, 0o6000):
    print(attempt(os.chmod, 'file', 0o755 | bits))
    print(attempt(os.fchmod, os.open('file', os.O_RDONLY), 0o755 | bits))
    print(attempt(os.open, 'made', os.O_CREAT | os.O_WRONLY, 0o755 | bits))
    print(attempt(os.open, '/tmp', os.O_TMPFILE | os.O_WRONLY, 0o755 | bits))
    print(attempt(os.mknod, 'node', 0o755 | bits | stat.S_IFREG))
    print(call(n['fchmodat'], -100, ctypes.addressof(ctypes.create_string_buffer(b'file')), 0o755 | bits))
    attempt(os.mkdir, 'folder%o' % bits, 0o755 | bits)
print(any(os.stat(name).st_mode & 0o6000 for name in os.listdir('.')), os.path.exists('made'), os.path.exists('node'))
print(attempt(os.chmod, 'file', 0o1755), attempt(os.open, 'new', os.O_CREAT | os.O_WRONLY, 0o755), attempt(os.mkdir, 'sub', 0o1777))
`,
  )
  const lines = out.split('\n')
  assert.deepEqual(lines.slice(-2), ['False False False', 'ok ok ok'])
  assert.deepEqual([...new Set(lines.slice(0, -2))], ['EPERM'], out)
})

test('calls that are younger than the table do not exist', { skip }, async (t) => {
  assert.equal(await inside(t, `print(call(${NEWEST_SYSCALL + 1}), call(1000))`), 'ENOSYS ENOSYS')
})

test('personality only asks, or switches address randomisation off', { skip }, async (t) => {
  assert.equal(
    await inside(
      t,
      `print(call(n['personality'], 0xffffffff), call(n['personality'], 0x40000), call(n['personality'], 8))`,
    ),
    'ok ok EPERM',
  )
})

test(
  '32-bit and x32 calls kill the process',
  { skip: skip || (machine === 'x86_64' ? false : 'x86_64 only') },
  async (t) => {
    const script = `
def attempt(code):
    pid = os.fork()
    if pid == 0:
        memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        memory.write(code)
        ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()
        os._exit(0)
    return os.WTERMSIG(os.waitpid(pid, 0)[1])
# mov eax, N; int 0x80; ret, for getpid (20) and personality (136); then mov eax, 0x40000027 (x32 getpid); syscall; ret
print(attempt(bytes.fromhex('b814000000cd80c3')), attempt(bytes.fromhex('b888000000cd80c3')), attempt(bytes.fromhex('b8270000400f05c3')))
print(attempt(bytes.fromhex('b8270000000f05c3')))
`
    const SIGSYS = 31
    assert.equal(await inside(t, script), `${SIGSYS} ${SIGSYS} ${SIGSYS}\n0`)
  },
)

test(
  'ordinary programs work',
  { skip: withoutCages || hiddenRuntime() || missingTools('python3', 'git', 'curl', 'bash', 'perl') },
  async (t) => {
    const moat = await withMoat(t)
    refuseQueries(moat)
    const runtime = JSON.stringify(process.execPath)
    const scripts = [
      `${runtime} -e 'const { Worker } = require("worker_threads"); new Worker("0", { eval: true }).on("exit", () => console.log("fine"))'`,
      `${runtime} -e 'require("child_process").exec("echo fine", (e, out) => process.stdout.write(out))'`,
      '/usr/bin/python3 -c \'import threading, subprocess; t = threading.Thread(target=print, args=("fine",)); t.start(); t.join(); subprocess.run(["true"], check=True)\'',
      'cd /tmp && git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m fine && git log --format=%s',
      'curl --version >/dev/null && echo fine',
      'bash -c \'echo fine | { read x; echo "$x"; }\'',
      'perl -e \'print "fine\\n"\'',
      'ps aux >/dev/null && ip address >/dev/null && echo fine',
      'timeout 5 sh -c "sleep 0.01 && echo fine"',
    ]
    for (const script of scripts) {
      const { code, stdout, stderr } = await runScript(script, moat)
      assert.deepEqual([code, stdout.trim()], [0, 'fine'], `${script}\n${stderr}`)
    }
  },
)

/** curl looks up the host's own name as it starts; without an answer it waits for 10 s. */
function refuseQueries({ dnsUdp }: Moat): void {
  const [RESPONSE, REFUSED] = [0x80, 5]
  for (const socket of dnsUdp) {
    socket.on('message', (query, { address, port }) => {
      const answer = Buffer.from(query)
      answer[2] = (answer[2] ?? 0) | RESPONSE
      answer[3] = REFUSED
      socket.send(answer, port, address)
    })
  }
}
