/**
 * The life of a cage with process isolation, as an ordinary user of a fresh server without a container engine in play: made,
 * at work, changed while it runs, killed, its systemd started again, updated, destroyed. Every block holds all the time, and
 * nothing is left.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { stringify } from 'yaml'
import type { CommandResult } from '../../test/support/command.ts'
import { agentcage, asRoot, asUser, NODE, PROGRAM, tryAgentcage, tryAsUser, writeUserFile } from '../lab/lab.ts'

const HOME = '/home/keeper'
const UNIT = 'solo-cage.service'

/** The agent: says hello, and goes on until it is asked to end. */
const AGENT = ['sh', '-c', 'echo hello from the agent; echo "$LEVEL" > level; exec sleep infinity']

function configFor(name: string, more: Readonly<Record<string, unknown>> = {}): string {
  const { container, ...rest } = { container: {}, ...more }
  return stringify({
    name,
    isolation: 'process',
    container: { command: AGENT, restart_sec: 1, env: { LEVEL: 'first' }, ...container },
    domains: { list: ['allowed.test'] },
    upstream: { ca_file: '/run/internet/ca.pem', allow_addresses: ['198.18.0.0/15'] },
    ...rest,
  })
}

async function create(name: string, config: string, ...args: readonly string[]): Promise<CommandResult> {
  const [path, project] = [`${HOME}/${name}.yaml`, `${HOME}/${name}-project`]
  await writeUserFile(path, config)
  await asUser('mkdir', '-p', project)
  return tryAgentcage(['cage', 'create', '-c', path, '--project', project, ...args])
}

/** What a command in the cage prints, on both streams; its exit code comes last. */
async function inCage(name: string, ...command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await tryAgentcage(['exec', name, '--', ...command])
  return `${stdout}${stderr}[${code}]`
}

function fetchIn(name: string, url: string): Promise<string> {
  return inCage(name, 'curl', '-sS', '--max-time', '20', '-o', '/dev/null', '-w', '%{http_code}', url)
}

async function property(name: string): Promise<string> {
  return (await asUser('systemctl', '--user', 'show', '--property', name, '--value', UNIT)).trim()
}

/** Everything on the host that could belong to a cage. */
async function traces(name: string): Promise<string> {
  const script = `
    ls ~/.config/systemd/user ~/.config/systemd/user/default.target.wants ~/.config/agentcage/deployments 2>/dev/null
    ls ~/.local/state/agentcage/cages $XDG_RUNTIME_DIR/agentcage 2>/dev/null
    systemctl --user list-units --all --plain --no-legend
    pgrep -af 'cage supervise'`
  const found = await tryAsUser(['bash', '-c', script])
  return found.stdout
    .split('\n')
    .filter((line) => line.includes(name))
    .join('\n')
}

after(async () => {
  for (const name of ['solo', 'other', 'twice', 'broken']) await tryAgentcage(['cage', 'destroy', '-y', name])
})

describe('a cage that is made', () => {
  test('is printed before, and nothing is changed', async () => {
    const { code, stdout, stderr } = await create('solo', configFor('solo'), '--dry-run')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^# \/home\/keeper\/\.config\/systemd\/user\/solo-cage\.service$/m)
    assert.match(stdout, /^ExecStart=.* cage supervise solo$/m)
    assert.equal(await traces('solo'), '')
  })

  test('is made once by two commands at once', async () => {
    const both = await Promise.all([create('twice', configFor('twice')), create('twice', configFor('twice'))])
    assert.deepEqual(both.map(({ code }) => String(code)).toSorted(), ['0', '1'], JSON.stringify(both))
    assert.match(both.map(({ stderr }) => stderr).join(''), /^error: cage 'twice' already exists$/m)
    assert.match(await agentcage('ls'), /^twice +running \(1\/1\)$/m)
    await agentcage('rm', '-y', 'twice')
  })

  test('leaves nothing when it cannot start, and the error has the last lines of the journal', async () => {
    const config = configFor('broken', { upstream: { ca_file: '/nowhere/ca.pem' } })
    const { code, stderr } = await create('broken', config, '-s', 'KEPT=some-value-of-it')
    assert.equal(code, 1)
    assert.match(stderr, /^error: broken-cage\.service did not start$/m)
    assert.match(stderr, /ca\.pem/)
    assert.equal(await traces('broken'), '')
  })

  test('is incomplete when the user’s systemd ends meanwhile, as at a shutdown, and the same command makes it', async () => {
    await writeUserFile(`${HOME}/broken.yaml`, configFor('broken'))
    await asUser('mkdir', '-p', `${HOME}/broken-project`)
    const script = `cd; rm -f held-up go
      ${NODE} ${PROGRAM} cage create -c broken.yaml --project broken-project & create=$!
      until test -e .config/systemd/user/broken-cage.service; do sleep 0.02; done
      kill -STOP $create; touch held-up; until test -e go; do sleep 0.05; done; kill -CONT $create; wait $create`
    const creating = tryAsUser(['timeout', '120', 'bash', '-c', script])
    await asUser('timeout', '60', 'bash', '-c', 'until test -e held-up; do sleep 0.05; done')
    await asRoot('systemctl', 'stop', 'user@1000.service')
    await asUser('touch', 'go')
    const { code, stderr } = await creating
    await asRoot('systemctl', 'start', 'user@1000.service')
    assert.equal(code, 1)
    assert.match(stderr, /^error: all could not be put back as it was: .*\n {2}agentcage cage destroy broken removes/m)
    assert.match(await agentcage('ls'), /^broken +incomplete$/m)
    assert.equal((await create('broken', configFor('broken'))).code, 0)
    assert.match(await agentcage('ls'), /^broken +running \(1\/1\)$/m)
    await agentcage('rm', '-y', 'broken')
    assert.equal(await traces('broken'), '')
  })

  test('needs secrets, a project and a session, and says what mends it', async () => {
    const missing = await create(
      'broken',
      configFor('broken', { secret_injection: [{ env: 'A_KEY', inject_to: ['allowed.test'] }] }),
    )
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /missing secrets for cage 'broken':\n {2}A_KEY\n {2}Create them with:\n/)
    const home = await tryAgentcage([
      'cage',
      'create',
      '-c',
      `${HOME}/broken.yaml`,
      '-s',
      'A_KEY=x-value-of-it',
      '--project',
      HOME,
    ])
    assert.equal(home.code, 2)
    assert.match(home.stderr, /is the home directory/)
    const bare = ['env', 'XDG_RUNTIME_DIR=/run/user/4711', NODE, PROGRAM]
    const session = await tryAsUser([...bare, 'cage', 'create', '-c', `${HOME}/broken.yaml`])
    assert.equal(session.code, 1)
    assert.match(session.stderr, /sudo loginctl enable-linger keeper/)
    assert.equal(await traces('broken'), '')
  })
})

describe('a cage that runs', () => {
  before(async () => {
    const secret = { env: 'API_KEY', inject_to: ['allowed.test'], inject_headers: ['authorization'] }
    const config = configFor('solo', { secret_injection: [secret] })
    const { code, stderr } = await create('solo', config, '-s', 'API_KEY=first-value-of-the-key')
    assert.equal(code, 0, stderr)
  })

  test('holds, by every probe', async () => {
    const { code, stdout } = await tryAgentcage(['cage', 'verify', 'solo'])
    assert.equal(code, 0, stdout)
    assert.match(stdout, /\[PASS\] solo-cage\.service is running/)
    assert.match(stdout, /\[PASS\] Allowed domain \(allowed\.test\) is reachable \(HTTP \d+\)/)
    assert.match(stdout, /, 0 failed, 0 warnings ===$/m)
  })

  test('reaches what is listed, from the moment that it is', async () => {
    const started = await property('ExecMainStartTimestampMonotonic')
    assert.equal(await fetchIn('solo', 'https://allowed.test/'), '200[0]')
    assert.match(await fetchIn('solo', 'https://later.test/'), /^(?:403|000)/)
    assert.match(await agentcage('domain', 'add', 'solo', 'later.test'), /In force\.$/m)
    assert.equal(await fetchIn('solo', 'https://later.test/'), '200[0]')
    await agentcage('domain', 'rm', 'solo', 'later.test')
    assert.match(await fetchIn('solo', 'https://later.test/'), /^(?:403|000)/)
    assert.equal(await property('ExecMainStartTimestampMonotonic'), started, 'the agent was touched')
  })

  test('takes another secret while it runs, and holds none', async () => {
    const set = await tryAgentcage(['secret', 'set', 'solo', 'API_KEY'], 'second-value-of-the-key')
    assert.equal(set.code, 0, set.stderr)
    const script =
      'curl -sS -H "Authorization: Bearer $API_KEY" https://allowed.test/ >/dev/null; env; cat /proc/*/environ 2>/dev/null'
    const seen = await inCage('solo', 'sh', '-c', script)
    assert.doesNotMatch(seen, /value-of-the-key/)
    assert.match(await agentcage('audit', 'solo', '--json', '-n', '1'), /"secrets_injected":\["API_KEY"\]/)
  })

  test('has its own words and those of its egress in the journal, apart', async () => {
    assert.match(await agentcage('logs', 'solo', '-s', 'cage'), /solo-cage\[\d+\]: hello from the agent\n$/)
    const egress = await agentcage('logs', 'solo', '-s', 'proxy', '-n', '0')
    assert.doesNotMatch(egress, /hello from the agent/)
    assert.match(egress, /reloaded/)
  })

  test('cannot see another cage', async () => {
    assert.equal((await create('other', configFor('other'))).code, 0)
    const listen =
      'import socket as s; a = s.socket(); a.bind(("127.0.0.1", 8080)); a.listen(); print("up", flush=True); a.accept()'
    const listening = tryAgentcage(['exec', 'solo', '--', 'timeout', '60', 'python3', '-c', listen])
    const wait = 'until grep -q ":1F90 .* 0A " /proc/net/tcp; do sleep 0.1; done'
    assert.equal(await inCage('solo', 'sh', '-c', wait), '[0]')
    const connect = 'import socket as s; s.create_connection(("127.0.0.1", 8080))'
    assert.match(await inCage('other', 'python3', '-c', connect), /ConnectionRefusedError/)
    assert.equal(await inCage('solo', 'python3', '-c', connect), '[0]')
    await listening
    await agentcage('cage', 'destroy', '-y', 'other')
    assert.equal(await traces('other'), '')
  })
})

describe('a cage that is struck', () => {
  const held = (): Promise<string> => inCage('solo', 'sh', '-c', 'cat /run/agentcage/ca.pem; echo $API_KEY')

  /** Waits until systemd has started it again: another process than before serves. */
  async function untilServing(former: string): Promise<void> {
    const script = `until test "$(systemctl --user show --property MainPID --value ${UNIT})" != ${former} &&
      systemctl --user --quiet is-active ${UNIT}; do sleep 0.2; done`
    await asUser('timeout', '120', 'bash', '-c', script)
  }

  test('comes back as it was when its supervisor is killed, and nothing of it runs meanwhile', async () => {
    const [former, pid] = [await held(), await property('MainPID')]
    await asUser('bash', '-c', `kill -KILL ${pid}`)
    await asUser('timeout', '60', 'bash', '-c', 'while pgrep -f "^sleep infinity" >/dev/null; do sleep 0.05; done')
    await untilServing(pid)
    assert.equal(await held(), former)
    assert.equal(await fetchIn('solo', 'https://allowed.test/'), '200[0]')
    assert.match(await agentcage('audit', 'solo', '--verify'), /^audit chain ok: /)
  })

  test("comes back when the user's systemd is started again", async () => {
    const [former, pid] = [await held(), await property('MainPID')]
    await asRoot('systemctl', 'restart', 'user@1000.service')
    await untilServing(pid)
    assert.equal(await held(), former)
    assert.match((await tryAgentcage(['cage', 'verify', 'solo'])).stdout, /, 0 failed, 0 warnings ===$/m)
  })

  test('stays down when it is stopped, and says so', async () => {
    await agentcage('cage', 'stop', 'solo')
    assert.match(await agentcage('ls'), /^solo +stopped \(0\/1\)$/m)
    const { code, stderr } = await tryAgentcage(['exec', 'solo', '--', 'true'])
    assert.equal(code, 1)
    assert.match(stderr, /start it with 'agentcage cage start solo' first/)
    assert.equal((await tryAgentcage(['cage', 'verify', 'solo'])).code, 1)
    await agentcage('cage', 'start', 'solo')
    assert.match(await agentcage('ls'), /^solo +running \(1\/1\)$/m)
  })
})

describe('a cage that is updated', () => {
  const secret = { env: 'API_KEY', inject_to: ['allowed.test'], inject_headers: ['authorization'] }

  test('runs with another configuration', async () => {
    await writeUserFile(
      `${HOME}/solo.yaml`,
      configFor('solo', { secret_injection: [secret], container: { env: { LEVEL: 'second' } } }),
    )
    assert.match(await agentcage('cage', 'update', 'solo', '-c', `${HOME}/solo.yaml`), /^Updated cage 'solo'$/m)
    assert.equal(
      await inCage('solo', 'sh', '-c', 'until grep -q second level; do sleep 0.1; done; cat level'),
      'second\n[0]',
    )
  })

  test('is put back as it was when it does not start', async () => {
    const config = configFor('solo', { secret_injection: [secret], upstream: { ca_file: '/nowhere/ca.pem' } })
    await writeUserFile(`${HOME}/solo.yaml`, config)
    const { code, stderr } = await tryAgentcage(['cage', 'update', 'solo', '-c', `${HOME}/solo.yaml`])
    assert.equal(code, 1, stderr)
    assert.match(await agentcage('ls'), /^solo +running \(1\/1\)$/m)
    assert.equal(await fetchIn('solo', 'https://allowed.test/'), '200[0]')
  })
})

test('a cage that is destroyed leaves nothing but what the agent made', async () => {
  const removed = await agentcage('cage', 'destroy', '-y', 'solo')
  assert.match(removed, /^Removed:\n {2}solo-cage\.service\n {2}secret:solo\.API_KEY\n {2}state$/m)
  assert.equal(await traces('solo'), '')
  assert.equal(await asUser('cat', `${HOME}/solo-project/level`), 'second\n')
  assert.equal(await agentcage('cage', 'destroy', '-y', 'solo'), 'Nothing to remove (cage "solo" not found).\n')
  assert.match(await asUser('ls', '-A', `${HOME}/solo-project`), /^level\n$/)
})
