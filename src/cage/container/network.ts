import { readFileSync } from 'node:fs'
import { cageNames } from '../../isolation/container/names.ts'
import { findPodman, lastLine } from '../../isolation/container/podman.ts'
import { chooseNetwork, routedRanges, type CageNetwork } from '../../isolation/container/subnet.ts'
import { CageError } from '../../errors.ts'
import type { DeploymentRecord } from '../deployment-record.ts'
import type { Deployment } from '../deployment.ts'

/** A network that no other cage, no network of Podman's and no route of this host has. */
export async function findNetwork(
  { name, environment }: Pick<Deployment, 'name' | 'environment'>,
  others: readonly DeploymentRecord[],
): Promise<CageNetwork> {
  const recorded = others.flatMap(({ network }) => (network === undefined ? [] : [network.subnet]))
  return chooseNetwork(name, [...recorded, ...(await podmanSubnets(name, environment)), ...routes()])
}

/** What is left of an earlier cage of this name is in nobody's way. */
async function podmanSubnets(name: string, environment: Deployment['environment']): Promise<readonly string[]> {
  const podman = findPodman(environment)
  const listed = await podman.run(['network', 'ls', '--format', '{{.Name}}'])
  const names = listed.stdout.split('\n').filter((text) => text !== '' && text !== cageNames(name).network)
  if (names.length === 0) return []
  const { code, stdout, stderr } = await podman.run([
    'network',
    'inspect',
    '--format',
    '{{range .Subnets}}{{.Subnet}} {{end}}',
    ...names,
  ])
  if (code === 0) return stdout.split(/\s+/).filter((text) => text !== '')
  throw new CageError('host_unsupported', `podman cannot tell its networks: ${lastLine(stderr)}`)
}

function routes(): readonly string[] {
  try {
    return routedRanges(readFileSync('/proc/net/route', 'latin1'))
  } catch {
    return []
  }
}
