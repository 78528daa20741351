/**
 * Escapes through the kernel: new namespaces, mounts, settings in /proc and /sys, devices, programs with set-user-id.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { CageHost, withoutCagesOr } from '../support/cage.ts'
import type { CageSession } from '../support/session.ts'
import { CALL, numberOf } from './syscalls.ts'

describe('the kernel', { skip: withoutCagesOr('python3', 'mount') }, () => {
  let host: CageHost
  let cage: CageSession

  before(async () => {
    host = await CageHost.open()
    cage = await host.session()
  })
  after(async () => {
    await cage.close()
    await host[Symbol.asyncDispose]()
  })

  const refused = async (command: string): Promise<void> => {
    const { code, stdout } = await cage.sh(command)
    assert.notEqual(code, 0, `${command}: ${stdout}`)
  }

  test('no new namespace of any kind', async () => {
    for (const kind of [
      'user',
      'map-root-user',
      'mount',
      'net',
      'pid --fork',
      'ipc',
      'uts',
      'cgroup',
      'time',
      'user --net',
      'user --mount',
    ])
      await refused(`unshare --${kind} true`)
    await refused('bwrap --ro-bind / / true')
    const { stdout } = await cage.python(`${CALL}
print(call(${numberOf('clone3')}, ctypes.create_string_buffer(88), 88))
for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x80):
    print(call(${numberOf('unshare')}, flag))
    print(call(${numberOf('unshare')}, flag | 1 << 32))
`)
    assert.match(stdout, /^ENOSYS\n(?:EPERM\n)+$/)
  })

  test('no other namespace can be entered', async () => {
    const { stdout } = await cage.python(`${CALL}
for name in os.listdir("/proc/1/ns"):
    try:
        print(call(${numberOf('setns')}, os.open("/proc/1/ns/" + name, os.O_RDONLY), 0))
    except OSError as error:
        print(errno.errorcode[error.errno])
`)
    assert.match(stdout, /^(?:(?:EPERM|EACCES)\n)+$/)
    await refused('nsenter --all --target 1 true')
  })

  test('nothing can be mounted, unmounted or mounted again', async () => {
    for (const command of [
      'mount -t tmpfs none /tmp',
      'mount -t proc none /tmp',
      'mount -t cgroup none /tmp',
      'mount -t overlay none -o lowerdir=/,upperdir=/tmp,workdir=/tmp /tmp',
      'mount --bind / /tmp',
      'mount -o remount,rw /',
      'mount -o remount,rw /usr',
      'mount -o remount,rw,bind /proc/sys',
      'umount /proc/sys',
      'umount -l /etc',
      'chroot / true',
    ])
      await refused(command)
    const { stdout } = await cage.python(`${CALL}
print(call(${numberOf('pivot_root')}, b"/", b"/tmp"))
print(call(${numberOf('fsopen')}, b"tmpfs", 0))
print(call(${numberOf('open_tree')}, -100, b"/", 1))
print(call(${numberOf('move_mount')}, -100, b"/", -100, b"/tmp", 0))
print(call(${numberOf('mount_setattr')}, -100, b"/", 0, ctypes.create_string_buffer(32), 32))
print(call(${numberOf('open_by_handle_at')}, -100, ctypes.create_string_buffer(128), 0))
`)
    assert.equal(stdout, 'EPERM\n'.repeat(6))
  })

  test('no setting of the kernel can be changed: a core pattern would run a program outside', async () => {
    const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8')
    for (const path of [
      'sys/kernel/core_pattern',
      'sys/kernel/modprobe',
      'sys/kernel/hotplug',
      'sys/kernel/sysrq',
      'sys/vm/panic_on_oom',
      'sys/net/ipv4/ip_forward',
      'self/task/1/../../sys/kernel/core_pattern',
      '1/root/proc/sys/kernel/core_pattern',
      'irq/default_smp_affinity',
      'acpi/wakeup',
      'bus/pci/00/00.0',
    ]) {
      // Were it possible, nothing would change.
      await refused(`value=$(cat /proc/${path}); echo "$value" > /proc/${path}`)
    }
    await refused('echo h > /proc/sysrq-trigger') // What it prints is help.
    await refused('echo -1 > /proc/sys/fs/binfmt_misc/register')
    assert.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), pattern)
  })

  test('control groups, hardware and modules are out of sight', async () => {
    assert.match(
      (await cage.sh('ls /sys; ls /sys/devices; ls /sys/devices/system')).stdout,
      /^(?:devices\nsystem\ncpu\n)?$/,
    )
    for (const path of ['/sys/fs/cgroup', '/sys/kernel/uevent_helper', '/sys/firmware']) await refused(`ls ${path}`)
    assert.equal((await cage.sh('cat /proc/kcore /proc/kmsg | head -c 10')).stdout, '')
  })

  test('devices: the harmless ones and no other, and none can be made', async () => {
    const { stdout } = await cage.sh('find /dev -type b; find /dev -type c | sort | tr "\\n" " "')
    assert.match(stdout, /^(?:\/dev\/(?:console|full|null|ptmx|pts\/\w+|random|tty|urandom|zero) )+$/)
    for (const name of [
      'mem',
      'kmem',
      'port',
      'kvm',
      'fuse',
      'net/tun',
      'vhost-vsock',
      'loop-control',
      'mapper/control',
      'kmsg',
      'uinput',
    ])
      await refused(`test -e /dev/${name}`)
    for (const folder of ['/tmp', '.', '/dev/shm']) {
      await refused(`mknod ${folder}/memory c 1 1`)
      await refused(`mknod ${folder}/disk b 8 0`)
    }
  })

  test('programs with set-user-id or capabilities give nothing', async () => {
    const { stdout } = await cage.sh('cat /proc/self/status; id -u')
    assert.match(stdout, /^NoNewPrivs:\s+1$/m)
    assert.match(stdout, /^CapBnd:\s+0+$/m)
    const uid = process.getuid?.() ?? 0
    for (const command of ['su -c id', 'sudo -n id', 'passwd -S root', 'newuidmap 1 0 0 1', 'mount -t tmpfs none /tmp'])
      await refused(`${command} </dev/null && test "$(id -u)" != ${uid}`)
    const { stdout: mounts } = await cage.sh('cat /proc/self/mountinfo')
    for (const line of mounts.trim().split('\n')) assert.match(line.split(' ')[5] ?? '', /nosuid/, line)
  })

  test('the clock, the name of the machine and the machine itself stay as they are', async () => {
    const { stdout } = await cage.python(`${CALL}
print(call(${numberOf('settimeofday')}, None, None))
print(call(${numberOf('sethostname')}, b"mine", 4))
print(call(${numberOf('reboot')}, 0xfee1dead, 672274793, 0x89ABCDEF, 0))
print(call(${numberOf('init_module')}, b"", 0, b""))
print(call(${numberOf('bpf')}, 0, ctypes.create_string_buffer(128), 128))
print(call(${numberOf('perf_event_open')}, ctypes.create_string_buffer(128), 0, -1, -1, 0))
print(call(${numberOf('userfaultfd')}, 0))
print(call(${numberOf('io_uring_setup')}, 8, ctypes.create_string_buffer(128)))
print(call(${numberOf('kexec_load')}, 0, 0, 0, 0))
print(call(${numberOf('syslog')}, 3, ctypes.create_string_buffer(128), 128))
`)
    assert.equal(stdout, `${'EPERM\n'.repeat(7)}ENOSYS\nEPERM\nEPERM\n`)
  })
})
