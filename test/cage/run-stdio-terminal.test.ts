/*
 * With standard input from elsewhere the workload has no terminal: its output reaches ours, but it holds nothing that it
 * could open to read what is typed there.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { plainPlan, withoutPython } from '../isolation/process/real-cage.ts'

const url = (path: string): string => JSON.stringify(import.meta.resolve(path))

const SUPERVISOR = `
import { openMoat } from ${url('../../src/isolation/process/moat.ts')}
import { launchWorkload } from ${url('../../src/isolation/process/launch.ts')}
import { relayFiles } from ${url('../../src/cage/run-stdio.ts')}
const moat = await openMoat({ tcpPorts: [], proxy: { address: '198.18.0.1', port: 3128 } })
using relayed = await relayFiles(['inherit', 'inherit', 'inherit'])
const workload = await launchWorkload(JSON.parse(process.argv[1]), moat, { stdio: relayed.stdio })
relayed.release()
await workload.exited
await relayed.drained
moat.close()`

const PTY = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.dup2(os.open('/dev/null', os.O_RDONLY), 0)
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    sys.stdout.buffer.write(data)
os.waitpid(pid, 0)`

test(
  'output to a terminal that is not the workload’s goes through a pipe',
  { skip: withoutPython('pty') },
  async (t) => {
    const script =
      'for fd in 0 1 2; do test -t $fd && echo "terminal $fd"; done; readlink /proc/self/fd/2; echo out; echo errors >&2'
    const argv = [
      process.execPath,
      '--input-type=module',
      '-e',
      SUPERVISOR,
      '--',
      JSON.stringify(plainPlan(['sh', '-c', script])),
    ]
    const child = spawn('/usr/bin/python3', ['-c', PTY, ...argv], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => child.kill('SIGKILL'))
    const out = (await text(child.stdout)).replaceAll('\r', '')
    assert.match(out, /^pipe:\[\d+\]\nout\nerrors\n$/)
  },
)
