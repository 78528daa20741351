/**
 * `agentcage run` with `isolation: container`: one command in a container of its image, behind an egress in containers of its
 * own, with our streams, terminal, signals and exit code, and nothing left at its end.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import type { CommandResult } from '../../test/support/command.ts'
import { asRoot, asUser, NODE, PROGRAM, tryAsUser, writeUserFile } from '../lab/lab.ts'
import { HOME, traces } from './support.ts'

const PROJECT = `${HOME}/shot`
const RUN = `${NODE} ${PROGRAM} run`

const CONFIG = {
  name: 'shot',
  container: { image: 'localhost/agent:lab' },
  domains: { list: ['allowed.test'] },
  upstream: { ca_file: '/run/internet/ca.pem', allow_addresses: ['198.18.0.0/15'] },
  secret_injection: [{ env: 'API_KEY', inject_to: ['allowed.test'], inject_headers: ['authorization'] }],
}

before(async () => {
  await asUser('rm', '-rf', PROJECT)
  await writeUserFile(`${PROJECT}/cage.yaml`, stringify(CONFIG))
  await writeUserFile(`${PROJECT}/input`, 'from a file\n')
  // As systemd makes it for a cage without containers.
  await asUser('bash', '-c', 'mkdir -p -m 755 "$XDG_RUNTIME_DIR/agentcage"')
})

after(async () => {
  await asUser('rm', '-rf', PROJECT)
})

/** A shell command of the user's in the project, with what runs in the cage in `$1`. */
async function shell(script: string, inside = '', input = ''): Promise<CommandResult> {
  return tryAsUser(['timeout', '120', 'bash', '-c', `cd ${PROJECT}\n${script}`, 'shell', inside], input)
}

/** Nothing of Podman's, of systemd's or in memory; what stays are placeholders and audit log. */
async function assertNothingLeft(): Promise<void> {
  assert.equal(await traces('shot_run'), '')
  assert.equal((await shell('ls $XDG_RUNTIME_DIR/agentcage-run')).stdout, '')
  assert.equal(
    (await shell('ls ~/.local/state/agentcage/cages/shot')).stdout,
    'audit.jsonl\naudit.jsonl.head\ndns\nin-force.json\nplaceholders.json\ntrust\nvalues\n',
  )
}

test('streams and exit code are the command’s; it has the project and what is listed, and no secret', async () => {
  const inside = `cat; pwd; echo made > made; touch cage.yaml; echo "$API_KEY" >&2
    curl -sS -H "Authorization: Bearer $API_KEY" https://allowed.test/x; curl -sS https://more.test/; curl -sS https://denied.test/; exit 7`
  const { code, stdout, stderr } = await shell(
    `API_KEY=value-of-the-key ${RUN} -c cage.yaml --allow more.test -- sh -c "$1" < input`,
    inside,
  )
  assert.equal(code, 7, stderr)
  assert.match(stdout, /^from a file\n\/workspace\n\{"method":"GET","url":"\/x"/)
  assert.match(stdout, /"host":"more\.test".*\{"blocked":true,"reason":"domain not in allowlist: denied\.test"/)
  assert.match(stderr, /^agentcage:secret:API_KEY:[0-9a-f]{32}$/m)
  assert.match(stderr, /cage\.yaml: Read-only file system/)
  assert.match(stderr, /^2 allowed, 0 flagged, 1 blocked - audit: .*\/shot\/audit\.jsonl$/m)
  assert.doesNotMatch(stdout + stderr, /value-of-the-key/)
  assert.equal((await shell('ls -A')).stdout, 'cage.yaml\ninput\nmade\n')
  assert.equal((await shell(`${NODE} ${PROGRAM} audit shot --verify`)).code, 0)
  await assertNothingLeft()
})

test('at a terminal it has one', async () => {
  // Podman may lose what a command says at a terminal just before its end.
  const { stdout } = await shell(
    `script -qec "$1" /dev/null`,
    `API_KEY=x-value-of-it ${RUN} -q -c cage.yaml -- sh -c 'test -t 0 && test -t 1 && tty && sleep 1'`,
  )
  assert.match(stdout, /\/dev\/pts\/\d+/)
  await assertNothingLeft()
})

test('a signal is the command’s, at whose end all is removed', async () => {
  const inside = `trap 'echo asked; exit 3' TERM; echo begun > begun; while :; do sleep 0.1; done`
  const script = `API_KEY=x-value-of-it ${RUN} -q -c cage.yaml -- sh -c "$1" & run=$!
    until test -e begun; do sleep 0.1; done; kill -TERM $run; wait $run`
  const { code, stdout } = await shell(script, inside)
  assert.deepEqual([code, stdout], [3, 'asked\n'])
  const sleeping = `API_KEY=x-value-of-it ${RUN} -q -c cage.yaml -- sleep 600 & run=$!
    until podman container inspect shot_run-cage >/dev/null 2>&1; do sleep 0.1; done
    until test "$(podman container inspect --format '{{.State.Running}}' shot_run-cage)" = true; do sleep 0.1; done
    kill -TERM $run; wait $run`
  assert.equal((await shell(sleeping)).code, 143)
  await assertNothingLeft()
})

test('when the egress ends, the command ends too, and the message says why', async () => {
  const script = `API_KEY=x-value-of-it ${RUN} -q -c cage.yaml -- sleep 600 & run=$!
    until test "$(podman container inspect --format '{{.State.Running}}' shot_run-cage 2>/dev/null)" = true; do sleep 0.1; done
    podman kill shot_run-proxy >/dev/null; wait $run`
  const { code, stderr } = await shell(script)
  assert.equal(code, 1)
  assert.match(stderr, /^error: the egress failed and the workload was ended/m)
  await assertNothingLeft()
})

test('when the egress ends before there is a container to end, the command ends all the same', async () => {
  // Podman's own, but late: it makes the workload's container once somebody has tried to end it.
  await writeUserFile(
    `${HOME}/late-podman`,
    `#!/bin/sh
case " $* " in
  *' run '*'--name shot_run-cage '*) /usr/bin/podman-own kill shot_run-proxy >/dev/null; until test -e ~/tried; do sleep 0.1; done ;;
  ' kill '*shot_run-cage*) /usr/bin/podman-own "$@"; code=$?; touch ~/tried; exit $code ;;
esac
exec /usr/bin/podman-own "$@"\n`,
  )
  await asUser('chmod', '755', `${HOME}/late-podman`)
  await asRoot('cp', '/usr/bin/podman', '/usr/bin/podman-own')
  await asRoot('mount', '--bind', `${HOME}/late-podman`, '/usr/bin/podman')
  try {
    const { code, stderr } = await shell(`API_KEY=x-value-of-it ${RUN} -q -c cage.yaml -- sleep 600`)
    assert.equal(code, 1)
    assert.match(stderr, /^error: the egress failed and the workload was ended/m)
  } finally {
    await asRoot('umount', '/usr/bin/podman')
    await asRoot('rm', '-f', '/usr/bin/podman-own', `${HOME}/tried`, `${HOME}/late-podman`)
  }
  await assertNothingLeft()
})

test('when it is killed, all ends; what is left is removed by the next run, which starts nothing without its secret', async () => {
  const script = `API_KEY=x-value-of-it ${RUN} -q -c cage.yaml -- sleep 600 >/dev/null 2>&1 </dev/null & run=$!
    until test "$(podman container inspect --format '{{.State.Running}}' shot_run-cage 2>/dev/null)" = true; do sleep 0.1; done
    kill -KILL $run; wait $run; code=$?; until test -z "$(podman ps --quiet)"; do sleep 0.1; done; exit $code`
  assert.equal((await shell(script)).code, 137)
  const { code, stderr } = await shell(`${RUN} -c cage.yaml -- true`)
  assert.equal(code, 1)
  assert.match(stderr, /missing secrets for cage 'shot':\n {2}API_KEY/)
  assert.equal(await traces('shot_run'), '')
  assert.equal((await shell('ls $XDG_RUNTIME_DIR/agentcage-run')).stdout, '')
})
