/**
 * The life of a cage of containers, as an ordinary user of a fresh server: made, at work, changed while it runs, each part
 * of it killed, the user's systemd started again, updated, destroyed. Every block holds all the time, and nothing is left.
 */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { agentcage, asRoot, asUser, NODE, PROGRAM, tryAgentcage, tryAsUser, writeUserFile } from '../lab/lab.ts'
import { configFor, createCage, curl, HOME, inCage, traces, untilActive } from './support.ts'

const CAGE = 'life'
const SERVICES = ['life-dns', 'life-proxy', 'life-cage']

before(async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
  await createCage(
    CAGE,
    {
      container: {
        env: { TEXT: `100% of $$HOME, "quoted" \\ 'and'` },
        named_volumes: { 'life-data': '/data' },
      },
      logging: { dns_queries: true },
      secret_injection: [{ env: 'API_KEY', inject_to: ['allowed.test'], inject_headers: ['authorization'] }],
    },
    ['-s', 'API_KEY=first-value-of-the-key'],
  )
})

after(async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
})

test('it runs, in three parts', async () => {
  assert.match(await agentcage('cage', 'list'), /^life +running \(3\/3\)$/m)
})

test('what systemd runs is what was rendered: the values are as written', async () => {
  assert.equal(await inCage(CAGE, 'node', '-p', 'process.env.TEXT'), `100% of $HOME, "quoted" \\ 'and'\n[0]`)
})

test('programs that ask the proxy and programs that ask nobody reach what is allowed', async () => {
  assert.match(await curl(CAGE, 'https://allowed.test/a'), /"url":"\/a".* 200\[0\]$/)
  assert.match(await curl(CAGE, 'https://www.allowed.test/b', '--noproxy', '*'), /"url":"\/b".* 200\[0\]$/)
  assert.match(await curl(CAGE, 'http://allowed.test/c', '--noproxy', '*'), /"url":"\/c".* 200\[0\]$/)
  const fetched = `fetch('https://allowed.test/d').then((r) => r.text()).then(console.log)`
  assert.match(await inCage(CAGE, 'node', '-e', fetched), /"url":"\/d"/)
  const bare = ['env', '-u', 'NODE_USE_ENV_PROXY', '-u', 'https_proxy', '-u', 'HTTPS_PROXY', 'node', '-e', fetched]
  assert.match(await inCage(CAGE, ...bare), /"url":"\/d"/)
  const python = `import urllib.request as u; print(u.urlopen('http://allowed.test/e').read())`
  assert.match(await inCage(CAGE, 'python3', '-c', python), /"url":"\/e"/)
})

test('every block holds', async () => {
  await assertBlocked()
})

test('cage verify proves the same', async () => {
  const { code, stdout } = await tryAgentcage(['cage', 'verify', CAGE])
  assert.equal(code, 0, stdout)
  assert.match(stdout, /=== Results: \d+ passed, 0 failed/)
})

test('a secret is put in on the way out and is nowhere inside', async () => {
  const sent = await curl(CAGE, 'https://allowed.test/', '--header', `Authorization: Bearer ${await placeholder()}`)
  assert.match(sent, new RegExp(sentWith('first-value-of-the-key')))
  assert.match(await placeholder(), /^agentcage:secret:API_KEY:/)
  assert.doesNotMatch(await inCage(CAGE, 'env'), /first-value/)
})

test('another value, and another host, count while the workload runs', async () => {
  const started = await startOf('life-cage')
  assert.equal((await tryAgentcage(['secret', 'set', CAGE, 'API_KEY'], 'second-value-of-the-key')).code, 0)
  const sent = await curl(CAGE, 'https://allowed.test/', '--header', `Authorization: Bearer ${await placeholder()}`)
  assert.match(sent, new RegExp(sentWith('second-value-of-the-key')))
  assert.match(await curl(CAGE, 'https://later.test/'), / (?:403|000)\[/)
  assert.match(await agentcage('domain', 'add', CAGE, 'later.test'), /Added 'later\.test'/)
  assert.match(await curl(CAGE, 'https://later.test/'), / 200\[0\]$/)
  await agentcage('domain', 'rm', CAGE, 'later.test')
  assert.match(await curl(CAGE, 'https://later.test/'), /"blocked":true.* 403/)
  assert.equal(await startOf('life-cage'), started)
})

test('a host that was added can be asked for by name too: the command waits for the part that answers DNS', async () => {
  const dns = (await asUser('podman', 'container', 'inspect', '--format', '{{.State.Pid}}', `${CAGE}-dns`)).trim()
  await asUser('bash', '-c', `kill -STOP ${dns}`)
  let returned = false
  const adding = tryAgentcage(['domain', 'add', CAGE, 'named.test']).finally(() => (returned = true))
  while (!(await curl(CAGE, 'https://named.test/')).endsWith(' 200[0]'));
  assert.equal(returned, false)
  await asUser('bash', '-c', `kill -CONT ${dns}`)
  assert.match((await adding).stdout, /In force\.$/m)
  assert.match(await curl(CAGE, 'https://named.test/', '--noproxy', '*'), / 200\[0\]$/)
})

test('exec has signals and exit codes, and leaves no process when its client is killed', async () => {
  const exec = `${NODE} ${PROGRAM} exec ${CAGE} -- `
  assert.equal((await tryAsUser(['bash', '-c', `${exec} sh -c 'exit 7'`])).code, 7)
  const begun = `until podman top ${CAGE}-cage args | grep -q '^sleep 4711'; do sleep 0.1; done`
  const ended = `while podman top ${CAGE}-cage args | grep -q '^sleep 4711'; do sleep 0.1; done`
  for (const signal of ['TERM', 'KILL']) {
    const script = `${exec} sleep 4711 >/dev/null 2>&1 & client=$!; ${begun}; kill -${signal} $client; wait $client; code=$?; ${ended}; exit $code`
    assert.equal((await tryAsUser(['timeout', '120', 'bash', '-c', script])).code, signal === 'TERM' ? 143 : 137)
  }
})

test('the part that answers DNS sees no value, and the proxy no records of names', async () => {
  const covered = { dns: `/etc/agentcage/deployments/${CAGE}/secrets`, proxy: '/var/lib/agentcage/cage/dns' }
  for (const [part, folder] of Object.entries(covered)) {
    const script = `try { console.log(fs.readdirSync('${folder}')) } catch ({ code }) { console.log(code) }`
    const seen = await asUser('podman', 'exec', `${CAGE}-${part}`, '/usr/bin/node', '-e', script)
    assert.ok(['[]\n', 'EACCES\n'].includes(seen), seen)
  }
})

test('without its proxy the workload has no network; it comes back as it was', async () => {
  const [authority, held] = [await inCage(CAGE, 'cat', '/run/agentcage/ca.pem'), await placeholder()]
  await asUser('systemctl', '--user', 'stop', 'life-proxy')
  assert.match(await curl(CAGE, 'https://allowed.test/'), / 000\[[1-9]/)
  assert.match(await curl(CAGE, 'https://allowed.test/', '--noproxy', '*'), / 000\[[1-9]/)
  // Nothing is said to be in force, though the proxy said so of the second text when it ran.
  for (const command of ['add', 'rm'])
    assert.doesNotMatch(await agentcage('domain', command, CAGE, 'later.test'), /In force/)
  await asUser('systemctl', '--user', 'start', 'life-proxy')
  assert.match(await curl(CAGE, 'https://allowed.test/'), / 200\[0\]$/)
  assert.equal(await inCage(CAGE, 'cat', '/run/agentcage/ca.pem'), authority)
  assert.equal(await placeholder(), held)
})

for (const part of ['proxy', 'dns', 'cage']) {
  test(`${part} is killed: systemd brings it back, and every block holds`, async () => {
    const service = `life-${part}`
    const anew = `start() { podman container inspect --format '{{.Id}} {{.State.StartedAt}}' "$1" 2>/dev/null; }
      killed=$(start "$1"); podman kill "$1"; until now=$(start "$1") && test "$now" != "$killed"; do sleep 0.2; done`
    await asUser('timeout', '120', 'bash', '-c', anew, 'kill', service)
    await untilActive(...SERVICES)
    assert.match(await curl(CAGE, 'https://allowed.test/'), / 200\[0\]$/)
    await assertBlocked()
  })
}

test('the user’s systemd ends and comes back, with the cage', async () => {
  await asRoot('systemctl', 'restart', 'user@1000.service')
  await untilActive(...SERVICES)
  assert.match(await curl(CAGE, 'https://allowed.test/'), / 200\[0\]$/)
  await assertBlocked()
})

test('what was recorded in all that time is an unbroken chain of requests and one of names', async () => {
  const records = await agentcage('audit', CAGE, '--json')
  assert.match(records, /"protocol":"dns"[^\n]*"host":"denied\.test"|"host":"denied\.test"[^\n]*"protocol":"dns"/)
  assert.match(records, /"host":"denied\.test"[^\n]*"decision":"blocked"/)
  assert.match(await agentcage('audit', CAGE, '--verify'), /^(audit chain ok: [1-9].*audit\.jsonl\)\n){2}$/)
})

test('an update takes another configuration, and one that is wrong changes nothing', async () => {
  const path = `${HOME}/life-next.yaml`
  await writeUserFile(path, configFor(CAGE, { container: { image: 'localhost/none:here' } }))
  assert.equal((await tryAgentcage(['cage', 'update', CAGE, '-c', path])).code, 1)
  await untilActive(...SERVICES)
  assert.match(await curl(CAGE, 'https://allowed.test/'), / 200\[0\]$/)
  await writeUserFile(path, configFor(CAGE, { container: { env: { NEXT: 'yes' } }, domains: { list: ['next.test'] } }))
  await agentcage('cage', 'update', CAGE, '-c', path)
  assert.equal(await inCage(CAGE, 'node', '-p', 'process.env.NEXT'), 'yes\n[0]')
  assert.match(await curl(CAGE, 'https://next.test/'), / 200\[0\]$/)
  assert.match(await curl(CAGE, 'https://allowed.test/'), /"blocked":true/)
})

test('a record that this agentcage cannot read is said, and the cage can be destroyed', async () => {
  const record = `${HOME}/.config/agentcage/deployments/${CAGE}/deployment.json`
  await asUser('sed', '-i', 's/"version": 1,/"version": 2,/', record)
  assert.match(await agentcage('cage', 'list'), /^life +unusable$/m)
  const { code, stderr } = await tryAgentcage(['cage', 'show', CAGE])
  assert.equal(code, 1)
  assert.match(stderr, /deployment\.json is not the record of a cage that this agentcage can read\n.*destroy the cage/)
})

test('destroyed, nothing of it is left but the volume that the user named', async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
  assert.equal(await traces(CAGE), 'life-data')
  await asUser('podman', 'volume', 'rm', 'life-data')
})

/** What no workload may do, whatever happened to its cage. */
async function assertBlocked(): Promise<void> {
  assert.match(await curl(CAGE, 'https://denied.test/'), /CONNECT tunnel failed, response 403|"blocked":true/)
  assert.match(await curl(CAGE, 'https://denied.test/', '--noproxy', '*'), / 000\[[1-9]/)
  assert.equal(await inCage(CAGE, 'node', '-e', PROBES), `${EXPECTED.join('\n')}\n[0]`)
  const seen = await inCage(CAGE, 'sh', '-c', 'touch /usr/bin/new; id; cat /proc/self/status /run/agentcage/*')
  assert.match(seen, /\/usr\/bin\/new: Read-only file system/)
  assert.match(seen, /^uid=1000.* gid=1000/m)
  assert.match(seen, /^CapEff:\t0{16}\nCapBnd:\t0{16}$/m)
  assert.match(seen, /^NoNewPrivs:\t1$/m)
  assert.match(seen, /^-----BEGIN CERTIFICATE-----$/m)
  assert.doesNotMatch(seen, /PRIVATE KEY/)
}

/** Connections past the egress, one after the other: what is not blocked says so. */
const PROBES = `
const net = require('node:net'), dgram = require('node:dgram'), os = require('node:os')
const own = os.networkInterfaces().eth0.find((a) => a.family === 'IPv4').address.split('.').slice(0, 3).join('.')
const tcp = (name, host, port) => new Promise((done) => {
  const socket = net.connect({ host, port, timeout: 1500 })
  const end = (how) => { socket.destroy(); done(name + ': ' + how) }
  socket.on('connect', () => end('OPEN')).on('error', () => end('closed')).on('timeout', () => end('closed'))
})
const udp = (name, host, port) => new Promise((done) => {
  const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4')
  const end = (how) => { socket.close(); clearTimeout(timer); done(name + ': ' + how) }
  const timer = setTimeout(() => end('closed'), 1500)
  socket.on('message', () => end('OPEN')).on('error', () => end('closed'))
  const question = Buffer.from('123401000001000000000000046e616d6504746573740000010001', 'hex')
  socket.send(question, port, host, (error) => { if (error) end('closed') })
})
Promise.all([
  tcp('the internet', '198.18.0.11', 443),
  tcp('the host', '198.18.0.2', 22),
  tcp('the gateway', own + '.1', 53),
  tcp('the host by its name in containers', '169.254.1.2', 22),
  tcp('another port of the proxy', own + '.11', 9229),
  tcp('another port of DNS', own + '.10', 22),
  tcp('IPv6', '2001:db8::1', 443),
  tcp('link-local IPv6', 'fe80::1%eth0', 53),
  udp('another resolver', '198.18.0.10', 53),
  udp('resolver of containers', '169.254.1.1', 53),
  udp('QUIC at the proxy', own + '.11', 443),
]).then((lines) => console.log(lines.join('\\n')))
`

const EXPECTED = [
  'the internet',
  'the host',
  'the gateway',
  'the host by its name in containers',
  'another port of the proxy',
  'another port of DNS',
  'IPv6',
  'link-local IPv6',
  'another resolver',
  'resolver of containers',
  'QUIC at the proxy',
].map((name) => `${name}: closed`)

async function placeholder(): Promise<string> {
  return (await inCage(CAGE, 'node', '-p', 'process.env.API_KEY')).replace(/\n\[0\]$/, '')
}

/** When a container was started; empty while there is none. */
async function startOf(container: string): Promise<string> {
  const script = 'podman container inspect --format "{{.Id}} {{.State.StartedAt}}" "$1" 2>/dev/null || true'
  return asUser('bash', '-c', script, 'start', container)
}

/** What the lab's internet says when it was sent this value. */
function sentWith(value: string): string {
  return `"authorization":"${hash('sha256', `Bearer ${value}`)}"`
}
