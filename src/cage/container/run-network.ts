import { CageError } from '../../errors.ts'
import { cageNames } from '../../isolation/container/names.ts'
import { lastLine, type Podman } from '../../isolation/container/podman.ts'
import type { CageNetwork } from '../../isolation/container/subnet.ts'

/** Makes the network of a run, as the quadlet of a cage's does. */
export async function makeNetwork(podman: Podman, prefix: string, { subnet }: CageNetwork): Promise<void> {
  const { network } = cageNames(prefix)
  const args = ['network', 'create', '--internal', '--disable-dns', '--subnet', subnet, network]
  const { code, stderr } = await podman.run(args)
  if (code !== 0) throw new CageError('egress_failed', `podman could not make the network: ${lastLine(stderr)}`)
}

/** Ends what runs by this prefix and removes it; missing pieces are passed over. */
export async function removeRun(podman: Podman, prefix: string): Promise<void> {
  const { dns, proxy, cage, network } = cageNames(prefix)
  await podman.run(['rm', '--force', '--ignore', '--time', '5', cage])
  await podman.run(['rm', '--force', '--ignore', '--time', '5', proxy, dns])
  await podman.run(['network', 'rm', '--force', network])
  const { stdout } = await podman.run(['secret', 'ls', '--format', '{{.Name}}'])
  const secrets = stdout.split('\n').filter((name) => name.startsWith(`${prefix}.`))
  if (secrets.length > 0) await podman.run(['secret', 'rm', ...secrets])
}
