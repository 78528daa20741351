/** What a cage's parts are called, in Podman and in systemd. */
export interface CageNames {
  readonly network: string
  /** Holds the certificate authority; the proxy's alone. */
  readonly volume: string
  readonly dns: string
  readonly proxy: string
  readonly cage: string
}

export function cageNames(name: string): CageNames {
  return {
    network: `${name}-net`,
    volume: `agentcage-certs-${name}`,
    dns: `${name}-dns`,
    proxy: `${name}-proxy`,
    cage: `${name}-cage`,
  }
}

/** Volumes of ours: no workload may have one of these. */
export const OWN_VOLUMES = 'agentcage-'

/** Podman's name of a secret that the workload holds itself. */
export function podmanSecretName(cage: string, key: string): string {
  return `${cage}.${key}`
}
