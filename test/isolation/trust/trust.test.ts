import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { CageError } from '../../../src/errors.ts'
import { certificatesOf, systemBundle } from '../../../src/isolation/trust/bundle.ts'
import { findPlaces } from '../../../src/isolation/trust/places.ts'
import { writeTrust, type Trust } from '../../../src/isolation/trust/trust.ts'
import { findTool, missingTools } from '../../support/requires.ts'
import { TestAuthority } from '../../support/test-authority.ts'
import { bubblewrapArguments, CageBed, withoutBubblewrap } from '../process/cage-bed.ts'

/*
 * Programs in a cage accept what the egress serves, because the cage's authority is where they look: with the
 * environment that the cage sets, and most of them also without it. The host's authorities stay trusted. Real clients
 * in a real cage speak to a real server that has a certificate of a cage's authority.
 */

let bed: CageBed
let authority: TestAuthority
let trust: Trust
let server: Server
let url: string

before(async () => {
  bed = new CageBed()
  authority = new TestAuthority()
  trust = writeTrust(join(bed.folder, 'trust'), authority.certificatePem)
  server = createServer(authority.issue('localhost'), (_request, response) => response.end('trusted\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `https://localhost:${(server.address() as AddressInfo).port}/`
})

after(async () => {
  server.close()
  server.closeAllConnections()
  bed[Symbol.dispose]()
})

/** Commands that fetch a URL; `env -i` ones look only at files. */
const CLIENTS: Readonly<Record<string, readonly [tool: string, script: string]>> = {
  curl: ['curl', 'curl -sS URL'],
  'curl, no environment': ['curl', 'env -i curl -sS URL'],
  wget: ['wget', 'wget -qO- URL'],
  'wget (GnuTLS), no environment': ['wget', 'env -i wget -qO- URL'],
  python: ['python3', "python3 -c \"import urllib.request as r; print(r.urlopen('URL').read().decode(), end='')\""],
  'python, no environment': [
    'python3',
    "env -i python3 -c \"import urllib.request as r; print(r.urlopen('URL').read().decode(), end='')\"",
  ],
  'node fetch': ['node', 'node -e "fetch(\'URL\').then((r) => r.text()).then((t) => process.stdout.write(t))"'],
  'node https': ['node', "node -e \"require('https').get('URL', (r) => r.pipe(process.stdout))\""],
  'openssl, no environment': [
    'openssl',
    'printf "GET / HTTP/1.0\\r\\n\\r\\n" | env -i openssl s_client -quiet -verify_return_error -servername localhost -connect HOST 2>/dev/null | tail -1',
  ],
  'openssl looking in the folder': [
    'openssl',
    'env -i openssl s_client -verify_return_error -CApath /etc/ssl/certs -servername localhost -connect HOST < /dev/null > /dev/null 2>&1 && echo trusted',
  ],
}

for (const [name, [tool, script]] of Object.entries(CLIENTS)) {
  test(`${name} accepts the egress's certificate`, { skip: withoutBubblewrap || missingTools(tool) }, async () => {
    const address = new URL(url)
    const { stdout, stderr } = await fetchInside(script.replaceAll('URL', url).replaceAll('HOST', address.host))
    assert.equal(stdout, 'trusted\n', stderr)
  })
}

test('git accepts it', { skip: withoutBubblewrap || missingTools('git') }, async () => {
  const { stderr } = await fetchInside(`git ls-remote ${url}repository`)
  assert.doesNotMatch(stderr, /certificate|SSL/i)
  assert.match(stderr, /not valid: is this a git repository|not found/)
})

test('without the trust, a client refuses it', { skip: withoutBubblewrap || missingTools('curl') }, async () => {
  const { stdout } = await fetchInside(`curl -sS ${url}`, { mounts: [], environment: {} })
  assert.equal(stdout, '')
})

test(
  'Java lists the authority in its own key store, and accepts the certificate',
  { skip: withoutBubblewrap || missingTools('java', 'keytool') },
  async () => {
    const { stdout } = await fetchInside('env -i /usr/bin/keytool -list -cacerts -storepass changeit')
    const fingerprint = new X509Certificate(authority.certificatePem).fingerprint256
    assert.ok(stdout.includes(fingerprint), stdout.slice(0, 500))
    writeFileSync(join(bed.project, 'Fetch.java'), JAVA)
    const fetched = await fetchInside(`env -i /usr/bin/java Fetch.java ${url}`)
    if (!/compiler/.test(fetched.stderr)) assert.equal(fetched.stdout, 'trusted\n', fetched.stderr)
  },
)

test('a key store holds the same certificates as the bundle', { skip: missingTools('keytool') }, () => {
  if (findPlaces().java === undefined) return
  const { stdout, stderr } = spawnSync(
    findTool('keytool') ?? 'keytool',
    ['-list', '-rfc', '-storetype', 'JKS', '-storepass', 'changeit', '-keystore', join(bed.folder, 'trust/cacerts')],
    {
      encoding: 'utf8',
      maxBuffer: 1 << 24,
    },
  )
  assert.equal(stderr.replace(/^Picked up.*\n/gm, ''), '')
  const listed = certificatesOf(stdout)
    .map((der) => der.toString('hex'))
    .toSorted()
  const written = certificatesOf(readFileSync(join(bed.folder, 'trust/ca-bundle.pem'), 'utf8'))
    .map((der) => der.toString('hex'))
    .toSorted()
  assert.deepEqual(listed, written)
})

test("the bundle has all of the host's authorities and the cage's", () => {
  const certificates = certificatesOf(readFileSync(join(bed.folder, 'trust/ca-bundle.pem'), 'utf8'))
  const host = certificatesOf(systemBundle(findPlaces().bundles))
  assert.equal(certificates.length, host.length + 1)
  assert.deepEqual(certificates.at(-1), new X509Certificate(authority.certificatePem).raw)
  for (const certificate of certificates) assert.ok(new X509Certificate(certificate).subject !== '')
})

test('a host without authorities gets those that Node brings', () => {
  const folder = join(bed.folder, 'bare')
  const bare = writeTrust(folder, authority.certificatePem, {
    bundles: [],
    folders: [],
    keyStores: [],
    java: undefined,
  })
  assert.ok(certificatesOf(readFileSync(join(folder, 'ca-bundle.pem'), 'utf8')).length > 50)
  assert.ok(bare.mounts.every(({ target }) => target.startsWith('/run/agentcage/')))
})

test('a Java without a known key store is pointed to one', () => {
  const { environment } = writeTrust(join(bed.folder, 'java'), authority.certificatePem, {
    bundles: [],
    folders: [],
    keyStores: [],
    java: '/opt/jdk/bin/java',
  })
  assert.match(environment['JAVA_TOOL_OPTIONS'] ?? '', /trustStore=\/run\/agentcage\/cacerts/)
})

test('the files lie in a folder that only this user enters, and hold no key', () => {
  const folder = join(bed.folder, 'trust')
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  assert.doesNotMatch(readFileSync(join(folder, 'ca-bundle.pem'), 'utf8'), /PRIVATE KEY/)
})

test('writing again replaces what is there', () => {
  const again = writeTrust(join(bed.folder, 'trust'), authority.certificatePem)
  assert.deepEqual(again, trust)
})

test('what is not the certificate of an authority is refused', async () => {
  mkdirSync(join(bed.folder, 'refused'))
  const isRefusal = (error: unknown): boolean => error instanceof CageError && error.code === 'ca_unusable'
  assert.throws(() => writeTrust(join(bed.folder, 'refused'), 'no certificate'), isRefusal)
})

/** The server is in this process, so the cage is waited for without blocking it. */
async function fetchInside(
  script: string,
  given: Trust = trust,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  using prepared = bed.prepare(['sh', '-c', script], {
    trust: given,
    environment: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', NO_COLOR: '1' },
  })
  const child = spawn('bwrap', bubblewrapArguments(withoutProxy(prepared.plan), { shareNetwork: true }), {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  await once(child, 'close')
  return output
}

/** There is no proxy here: the server stands for the egress that answers directly. */
function withoutProxy<Plan extends { readonly environment: Readonly<Record<string, string>> }>(plan: Plan): Plan {
  const environment = Object.fromEntries(Object.entries(plan.environment).filter(([name]) => !/proxy/i.test(name)))
  return { ...plan, environment }
}

const JAVA = `
public class Fetch {
  public static void main(String[] args) throws Exception {
    try (var in = new java.net.URL(args[0]).openStream()) { System.out.write(in.readAllBytes()); System.out.flush(); }
  }
}
`
