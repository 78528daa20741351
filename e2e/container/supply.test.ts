/**
 * What a cage runs beside the agent is what was recorded when it was made: inspectors of its owner's and the image of the
 * egress, at every start, whoever starts it. What is no longer needed of either goes away.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { agentcage, asUser, NODE, PROGRAM, tryAgentcage, writeUserFile } from '../lab/lab.ts'
import { configFor, createCage, curl, HOME, untilActive } from './support.ts'

const CAGE = 'supply'
const INSPECTOR = `${HOME}/.config/agentcage/inspectors/names.ts`
const COPIES = `${HOME}/.config/agentcage/deployments/${CAGE}/inspectors`

function inspectorFor(word: string): string {
  return `import { defineInspector, type Verdict } from 'agentcage/inspector'
const PASS: Verdict = { kind: 'pass' }
export default defineInspector({
  name: 'names',
  inspectRequest: ({ url }) => (url.includes('${word}') ? { kind: 'block', reason: 'names ${word}' } : PASS),
})
`
}

before(async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
  await writeInspector('bluebird')
  await asUser('podman', 'tag', 'localhost/agent:lab', 'localhost/agentcage-egress:0123456789abcdef')
  await createCage(CAGE, { inspectors: [{ name: 'names', path: INSPECTOR, timeout_ms: 30_000 }] })
})

after(async () => {
  await agentcage('cage', 'destroy', '-y', CAGE)
  await asUser('rm', '-f', INSPECTOR)
  // The last test has removed what held it.
  await asUser('/project/e2e/lab/egress-image.sh')
})

test('an inspector of its owner looks at what leaves the container', async () => {
  assert.match(await curl(CAGE, 'https://allowed.test/bluebird'), /names bluebird.* 403\[0\]$/s)
  assert.match(await curl(CAGE, 'https://allowed.test/robin'), / 200\[0\]$/)
})

test('an edit that gives it another file is in force at once', async () => {
  await writeUserFile(INSPECTOR.replace('names', 'other'), inspectorFor('robin'))
  await asUser('chmod', '600', INSPECTOR.replace('names', 'other'))
  await edit(INSPECTOR, INSPECTOR.replace('names', 'other'))
  assert.match(await curl(CAGE, 'https://allowed.test/robin'), /names robin.* 403\[0\]$/s)
  await edit(INSPECTOR.replace('names', 'other'), INSPECTOR)
  assert.match(await curl(CAGE, 'https://allowed.test/robin'), / 200\[0\]$/)
})

test('an update that fails puts back a cage that another agentcage made, with the image of that one', async () => {
  const record = `${HOME}/.config/agentcage/deployments/${CAGE}/deployment.json`
  const image = await imageOf(`${CAGE}-proxy`)
  const older = await asUser('podman', 'commit', '--quiet', '--change', 'LABEL made-by=another', `${CAGE}-proxy`)
  await asUser('sed', '-i', `s/${image}/${older.trim()}/`, record)
  await writeUserFile(`${HOME}/supply-next.yaml`, configFor(CAGE, { container: { image: 'localhost/none:here' } }))
  const { code, stderr } = await tryAgentcage(['cage', 'update', CAGE, '-c', `${HOME}/supply-next.yaml`])
  assert.equal(code, 1)
  assert.match(stderr, /^error: the image localhost\/none:here is neither here nor can it be pulled/m)
  assert.equal(await imageOf(`${CAGE}-proxy`), older.trim())
  assert.match(await curl(CAGE, 'https://allowed.test/robin'), / 200\[0\]$/)
})

test('a file that changed stops the start until an update takes it; systemd starts what was recorded', async () => {
  await writeInspector('robin')
  const { code, stderr } = await tryAgentcage(['cage', 'restart', CAGE])
  assert.equal(code, 1)
  assert.match(stderr, /^error: inspectors: names: .*names\.ts has changed since it was recorded for cage 'supply'/m)
  assert.match(stderr, /agentcage cage update supply/)
  await asUser('systemctl', '--user', 'restart', `${CAGE}-proxy`)
  assert.match(await curl(CAGE, 'https://allowed.test/robin'), / 200\[0\]$/)
  await agentcage('cage', 'update', CAGE)
  assert.match(await curl(CAGE, 'https://allowed.test/robin'), /names robin.* 403\[0\]$/s)
  assert.equal((await asUser('ls', COPIES)).trim().split('\n').length, 1)
})

test('attack: a copy that was changed is run by nobody, and the agent has no network', async () => {
  await asUser('bash', '-c', `for copy in ${COPIES}/*; do cp "$copy" ~/copy; echo '// more' >> "$copy"; done`)
  const failed = `systemctl --user restart --no-block ${CAGE}-proxy
    until journalctl --user --quiet --unit ${CAGE}-proxy --grep 'the copy of .*names.ts, has changed' >/dev/null; do sleep 0.2; done`
  await asUser('timeout', '60', 'bash', '-c', failed)
  assert.match(await curl(CAGE, 'https://allowed.test/'), / 000\[[1-9]/)
  await asUser('bash', '-c', `for copy in ${COPIES}/*; do cp ~/copy "$copy"; done`)
  await agentcage('cage', 'start', CAGE)
  assert.match(await curl(CAGE, 'https://allowed.test/'), / 200\[0\]$/)
})

test('attack: another image under the name of the egress’s is not started in its place', async () => {
  const id = await imageOf(`${CAGE}-proxy`)
  const name = (await asUser('podman', 'image', 'inspect', '--format', '{{index .RepoTags 0}}', id)).trim()
  assert.equal(name, `localhost/agentcage-egress:${id.slice(0, 16)}`)
  await asUser('podman', 'tag', 'localhost/agent:lab', name)
  await asUser('systemctl', '--user', 'restart', `${CAGE}-proxy`, `${CAGE}-dns`)
  await untilActive(`${CAGE}-proxy`, `${CAGE}-dns`)
  assert.deepEqual([await imageOf(`${CAGE}-proxy`), await imageOf(`${CAGE}-dns`)], [id, id])
  assert.match(await curl(CAGE, 'https://allowed.test/'), / 200\[0\]$/)
  await asUser('podman', 'tag', id, name)
})

test('its hash is the content’s and is on record, and earlier images are gone', async () => {
  const record = await asUser('cat', `${HOME}/.config/agentcage/deployments/${CAGE}/deployment.json`)
  assert.match(record, new RegExp(`"egress_image": "${await imageOf(`${CAGE}-proxy`)}"`))
  assert.doesNotMatch(await asUser('podman', 'image', 'ls'), /0123456789abcdef/)
})

test('what was removed from Podman while the cage was stopped is there again after a start', async () => {
  await agentcage('cage', 'stop', CAGE)
  await asUser('podman', 'network', 'rm', `${CAGE}-net`)
  await asUser('bash', '-c', 'podman image ls --quiet localhost/agentcage-egress | xargs podman rmi --force')
  assert.match(await agentcage('cage', 'start', CAGE), /Building the image of the egress/)
  assert.match(await curl(CAGE, 'https://allowed.test/'), / 200\[0\]$/)
})

async function writeInspector(word: string): Promise<void> {
  await writeUserFile(INSPECTOR, inspectorFor(word))
  await asUser('chmod', '600', INSPECTOR)
}

/** Replaces a text of the configuration, as a person in an editor would. */
async function edit(from: string, to: string): Promise<void> {
  const editor = `EDITOR=sed -i s,${from},${to},`
  await asUser('env', editor, NODE, PROGRAM, 'cage', 'edit', CAGE)
}

/** ID of the image that a container was made of. */
async function imageOf(container: string): Promise<string> {
  return (await asUser('podman', 'container', 'inspect', '--format', '{{.Image}}', container)).trim()
}
