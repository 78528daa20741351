import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CageBed, withoutBubblewrap } from './cage-bed.ts'

/*
 * The file system of a workload: the system read-only, without what only root or its owner may read; an empty home
 * at the person's own path; nothing of the host's temporary, variable and kernel files; the project writable.
 * The workloads are real, started by bubblewrap, and get user 0 where the tests run as root.
 */

const skip = withoutBubblewrap

test('the home is an empty, writable folder at the same path', { skip }, () => {
  using bed = new CageBed()
  bed.write('.bashrc', 'private')
  bed.write('documents/letter', 'private')
  const { stdout, stderr } = bed.run('cd "$HOME" && pwd && ls -A && echo mine > note && cat note')
  assert.equal(stdout, `${bed.home}\nproject\nmine\n`, stderr)
  assert.ok(!existsSync(join(bed.home, 'note')))
})

test('the project is writable at its own path, and what is written stays', { skip }, () => {
  using bed = new CageBed()
  const { stdout, stderr } = bed.run('pwd; echo result > out; mkdir -p a/b; mv a c')
  assert.equal(stdout, `${bed.project}\n`, stderr)
  assert.equal(readFileSync(join(bed.project, 'out'), 'utf8'), 'result\n')
  assert.ok(existsSync(join(bed.project, 'c/b')))
})

test('a workload called from below the project starts there', { skip }, () => {
  using bed = new CageBed()
  bed.write('project/deep/file', '')
  assert.equal(bed.run('pwd', { workingDirectory: join(bed.project, 'deep') }).stdout, `${bed.project}/deep\n`)
  assert.equal(bed.run('pwd', { workingDirectory: bed.home }).stdout, `${bed.project}\n`)
})

test('no file in /etc, /opt or /usr/local that others may not read can be read, also as root', { skip }, () => {
  using bed = new CageBed()
  const search =
    'find /etc /opt /usr/local -maxdepth 3 -type f ! -perm -o+r -readable -print 2>/dev/null; find /etc -type d ! -perm -o+x -readable ! -empty -print 2>/dev/null'
  const { stdout } = bed.run(`${search}; for f in /etc/shadow /etc/shadow- /etc/gshadow /etc/sudoers; do cat $f; done`)
  assert.equal(stdout, '')
})

test('host keys and private keys are not there', { skip }, () => {
  using bed = new CageBed()
  assert.equal(bed.run('ls -A /etc/ssh /etc/ssl/private /etc/wireguard').stdout.replace(/^(?:\/.*:)?\n/gm, ''), '')
})

test('the root and the system are read-only', { skip }, () => {
  using bed = new CageBed()
  for (const path of ['/new', '/etc/new', '/usr/new', '/usr/bin/new', '/etc/passwd', '/sys/new']) {
    assert.notEqual(bed.run(`echo x >> ${path}`).status, 0, path)
  }
})

test('kernel settings cannot be written: they go by user id, and user 0 inside is user 0 outside', { skip }, () => {
  using bed = new CageBed()
  // Opened for writing, never written.
  for (const path of ['kernel/core_pattern', 'kernel/modprobe', 'vm/drop_caches', 'kernel/hostname']) {
    assert.notEqual(bed.run(`: >> /proc/sys/${path}`).status, 0, path)
  }
  assert.notEqual(bed.run('find /sys -type f -writable | grep .').status, 0)
})

test('temporary and variable files of the host are not there', { skip }, () => {
  using bed = new CageBed()
  const { stdout, stderr } = bed.run(
    'ls -d /boot /srv /mnt /media /sys/class /sys/kernel /var/lib/dpkg /run/systemd 2>/dev/null; ls -A /tmp; for d in /tmp /var/tmp /dev/shm "$HOME"; do touch $d/x && echo $d; done',
  )
  // The bed lies in /tmp itself.
  const lines = stdout.split('\n').filter((line) => !line.startsWith('agentcage-bed-'))
  assert.deepEqual(lines, ['/tmp', '/var/tmp', '/dev/shm', bed.home, ''], stderr)
})

test('name resolution, host names and machine id are those of the cage', { skip }, () => {
  using bed = new CageBed()
  const { stdout } = bed.run(
    'cat /etc/resolv.conf; grep -c . /etc/hosts; grep localhost /etc/hosts | head -1; cat /etc/machine-id',
  )
  assert.match(stdout, /^nameserver 198\.18\.0\.1\n2\n127\.0\.0\.1 localhost agentcage\n/)
  if (existsSync('/etc/machine-id'))
    assert.ok(!stdout.includes(readFileSync('/etc/machine-id', 'utf8').trim() || 'no id'))
})

test("agentcage's own folders are hidden also where the system is shown", { skip }, () => {
  using bed = new CageBed()
  const own = ['/usr/share', '/usr/lib/os-release'].find((path) => existsSync(path)) ?? '/usr/lib'
  assert.notEqual(bed.run(`ls -A ${own} | grep .`, { ownFolders: [own] }).status, 0)
})
