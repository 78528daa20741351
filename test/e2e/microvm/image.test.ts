/**
 * `microvm.image`: the guest's root is the files of an image, and over them lie the project, the certificate and what else
 * a cage makes for its workload. Nothing of the host's own system is there, and nothing that is written comes back.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { test } from 'node:test'
import { requireBusybox } from '../../../src/isolation/microvm/host-parts.ts'
import { run } from '../../support/command.ts'
import { ociArchive } from '../../support/oci-image.ts'
import { missingTools } from '../../support/requires.ts'
import { CageHost } from '../support/cage.ts'
import { keepKernel, MACHINE, PATIENCE, withoutMachinesOr } from '../support/machine.ts'

const skip = withoutMachinesOr() || missingTools('mkfs.ext4', 'debugfs')

test('a guest runs from an image', { skip, timeout: PATIENCE }, async ({ signal }) => {
  await using host = await CageHost.open({ signal })
  const image = join(host.folder, 'image.tar')
  const [, top = ''] = host.folder.split(sep)
  await writeFile(image, imageArchive(top))
  await host.configure({ ...MACHINE, microvm: { ...MACHINE.microvm, image } })
  await keepKernel(host)
  await host.write('from-host', 'project\n')
  const script = `
    PATH=/bin; ls -ld /${top} | grep -o -e '-> .*'; grep -c agentcage /data/passwd; cat /etc/motd from-host; ls /usr /opt 2>&1; id -u; id -g; ls -ld /home/x 2>/dev/null
    echo changed > /etc/motd && cat /etc/motd; echo out > from-guest
    test -s /run/agentcage/ca.pem && echo trusted
    wget -q -O /dev/null http://unlisted.example/ 2>&1 | grep -o 403`
  const { code, stdout, stderr } = await host.run(['/bin/sh', '-c', script])
  const [uid, gid] = [process.geteuid?.(), process.getegid?.()]
  assert.equal(
    stdout,
    `-> /var/${top}\n1\nof the image\nproject\nls: /usr: No such file or directory\nls: /opt: No such file or directory\n${uid}\n${gid}\nchanged\ntrusted\n403\n`,
    stderr,
  )
  assert.equal(code, 0)
  // The disk that the next machine has is as it was.
  const cache = join(host.state, 'machines')
  const [disk = ''] = readdirSync(cache).filter((name) => name.startsWith('image-'))
  const read = await run('debugfs', ['-R', 'cat /etc/motd', join(cache, disk)], { cwd: host.folder, env: host.env })
  assert.equal(read.stdout, 'of the image\n', read.stderr)
  assert.equal(readFileSync(join(host.project, 'from-guest'), 'utf8'), 'out\n')
})

/** `top`: where the project lies; in the image that is a link, and so is what names users. */
function imageArchive(top: string): Buffer {
  const programs = ['sh', 'cat', 'ls', 'id', 'wget', 'grep', 'test']
  return ociArchive([
    [
      { path: 'bin/', type: '5', mode: 0o755 },
      { path: 'bin/busybox', content: readFileSync(requireBusybox()), mode: 0o755 },
      ...programs.map((name) => ({ path: `bin/${name}`, type: '2', target: 'busybox' })),
      { path: 'etc/motd', content: 'of the lower layer\n' },
      { path: top, type: '2', target: `/var/${top}` },
      { path: 'data/passwd', content: 'nobody:x:65534:65534:nobody:/:/bin/sh\n' },
      { path: 'etc/passwd', type: '2', target: '/data/passwd' },
      { path: 'run', type: '2', target: '/nowhere' },
      // It gives way to the cage's own.
      { path: 'etc/resolv.conf', type: '2', target: '/nowhere' },
    ],
    [{ path: 'etc/motd', content: 'of the image\n' }],
  ])
}
