/**
 * Root in the guest, with all of a kernel at its disposal: it can mount, load, route and read whatever the guest has, and
 * finds the same files and the same egress as everybody else. One guest for all attempts.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { CageHost } from '../support/cage.ts'
import { keepKernel, MACHINE, PATIENCE, SUITE_PATIENCE, withoutMachinesOr } from '../support/machine.ts'
import type { CageSession } from '../support/session.ts'
import { prepare } from '../matrix/cases.ts'

const isRoot = process.geteuid?.() === 0
const skip = isRoot
  ? withoutMachinesOr('curl', 'fallocate', 'git', 'ip', 'python3')
  : 'the workload is root in the guest only if agentcage is'
const timeout = PATIENCE

/** Takes the control port from the guest's first program (pidfd_getfd(2)) and writes to it for as long as it can. */
const FLOOD = `
import ctypes, os
port = ctypes.CDLL(None, use_errno=True).syscall(438, os.pidfd_open(1), 3, 0)
while True: os.write(port, b"exit 0 0 0 0 flood " * 1000)`

/** Where the guest's first program has what the host serves. */
const SERVED = ['/proc/1/root/live', '/proc/1/root/lower']

describe('root in a guest', { skip, timeout: SUITE_PATIENCE }, () => {
  let host: CageHost
  let cage: CageSession
  let server: Server
  let arrived = 0
  let isOver = false

  before(
    async () => {
      server = createServer((socket) => socket.destroy(void arrived++)).listen(0, '::')
      await once(server, 'listening')
      host = await CageHost.open({ config: { ...MACHINE, domains: { list: ['allowed.example'] } } })
      await Promise.all([prepare(host), keepKernel(host)])
      cage = await host.session(undefined, 'python')
    },
    { timeout },
  )
  after(
    async () => {
      if (!isOver) await cage.close()
      await host[Symbol.asyncDispose]()
      server.close()
    },
    { timeout },
  )

  test('has all capabilities: what holds below is not its lack of rights', { timeout }, async () => {
    const { stdout } = await cage.sh(
      'id -u; grep CapEff /proc/self/status; mkdir /tmp/mnt; mount -t tmpfs x /tmp/mnt && echo mounted; umount /tmp/mnt',
    )
    assert.match(stdout, /^0\nCapEff:\s+000001ffffffffff\nmounted\n$/)
  })

  test('cannot change on the host what is protected there, past all mounts of the guest', { timeout }, async () => {
    const { stdout } = await cage.sh(`
      for served in ${SERVED.join(' ')}; do
        mount -o remount,rw $served
        project=$served${host.project}
        for attempt in 'echo planted >> $1/.git/hooks/pre-commit' 'rm -rf $1/.git/hooks' 'mv $1/.git $1/away' \\
          'echo x > $1/.claude/x' 'rm -rf $1/.claude' 'echo x > $2/etc/planted' 'echo x > $2/usr/bin/planted' \\
          'echo x > $2${host.home}/planted' 'ln -s /etc $2/tmp/x' 'mount --bind /tmp $1/.git/hooks && mount --make-shared /'; do
          sh -c "$attempt" sh $project $served 2>/dev/null && echo "$attempt"
        done
        umount $project/.git/hooks
      done 2>/dev/null`)
    // A mount in the guest is the guest's alone.
    assert.deepEqual(
      new Set(stdout.split('\n').filter((line) => line !== '' && !line.startsWith('mount --bind'))),
      new Set(),
    )
    assert.equal(readFileSync(join(host.project, '.git/hooks/pre-commit'), 'utf8'), '#!/bin/sh\n')
    assert.deepEqual(readdirSync(join(host.project, '.git/hooks')).includes('pre-commit'), true)
    for (const path of ['/etc/planted', '/usr/bin/planted', join(host.home, 'planted')]) assert.ok(!existsSync(path))
  })

  test('finds in what is served neither the VMM’s memory nor what is hidden', { timeout }, async () => {
    const { stdout } = await cage.sh(`
      for served in ${SERVED.join(' ')}; do
        ls -A $served/proc $served/dev $served/sys $served/machine $served/../machine
        cat $served/etc/shadow $served${host.home}/.ssh/id_ed25519 $served/../etc/shadow
        ls -A $served${host.home}
        find $served/run $served/tmp $served/var -maxdepth 3 -type s
      done 2>/dev/null`)
    assert.deepEqual(new Set(stdout.split('\n')), new Set(['project', '']))
  })

  test('follows links of its own in its own kernel only', { timeout }, async () => {
    const { stdout } = await cage.sh(`
      ln -s /etc/shadow shadow; ln -s ../../../../../../etc/shadow up; ln -s /proc/self/root rooted
      cat shadow up rooted/etc/shadow /proc/1/root/live${host.project}/up 2>/dev/null; rm -f shadow up rooted`)
    assert.equal(stdout, '')
  })

  test('reaches nothing else by routes, addresses or packets of its own', { timeout }, async () => {
    const { port } = server.address() as AddressInfo
    const { stdout } = await cage.sh(`
      ip addr add 198.18.0.1/32 dev lo; ip addr del 198.18.0.1/32 dev lo
      ip addr add 192.168.7.7/24 dev eth0
      ip route add 169.254.169.254/32 dev eth0 via 10.0.2.2
      echo 2 > /proc/sys/net/ipv6/conf/eth0/accept_ra; ip -6 addr add fd00::7/64 dev eth0
      for address in 10.0.2.2 10.0.2.3 10.0.2.4 127.0.0.1 169.254.169.254 [fec0::2] [fec0::3] [fe80::2%25eth0] [::1]; do
        set -- "$@" http://$address:${port}/ -o /dev/null
      done
      curl -sg -m 20 --noproxy '*' -w '%{http_code} ' "$@"
      ip link set eth0 promisc on
      curl -s -m 60 -o /dev/null -w '%{http_code}' --noproxy '*' http://unlisted.example/`)
    assert.equal(stdout, `${'000 '.repeat(9)}403`)
    assert.equal(arrived, 0)
    const records = await host.audit()
    assert.ok(records.some((record) => record.host === 'unlisted.example' && record.decision === 'blocked'))
  })

  test('can fill what it may write outside of the project, and goes on', { timeout }, async () => {
    // Most of it is taken without a write for each page, which takes an emulated guest a minute.
    const { stdout, stderr } = await cage.sh(`
      fallocate -l 320M /var/tmp/taken; head -c 4G /dev/zero > /var/tmp/fill
      stat -c %s /var/tmp/taken /var/tmp/fill; rm /var/tmp/taken /var/tmp/fill; echo still here > after; cat after`)
    assert.match(stderr, /head: .*No space left on device/)
    const [taken, filled, ...rest] = stdout.trim().split('\n')
    assert.equal(Number(taken), 320 * 1024 * 1024)
    assert.ok(Number(filled) > 0 && Number(taken) + Number(filled) < 768 * 1024 * 1024, filled)
    assert.deepEqual(rest, ['still here'])
  })

  test('ends its machine when it floods the channel to the host, and that is all', { timeout }, async () => {
    isOver = true
    await assert.rejects(
      cage.python(FLOOD),
      /^Error: the cage ended with 1:[^]*error: the guest said what no guest says/,
    )
    assert.equal(readFileSync(join(host.project, 'after'), 'utf8'), 'still here\n')
  })
})
