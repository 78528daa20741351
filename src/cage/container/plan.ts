import { existsSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import type { Config } from '../../config/schema.ts'
import { CageError } from '../../errors.ts'
import type { CagePlan } from '../../isolation/container/unit-files.ts'
import { hostLimits } from '../../isolation/container/host-limits.ts'
import { imageToRun } from '../../isolation/container/image/image.ts'
import { agentVolumes, type AgentVolumes } from '../../isolation/container/volumes.ts'
import { gatherHost } from '../../isolation/process/host.ts'
import { imageTrust } from '../../isolation/trust/trust.ts'
import { parsePort } from '../../policy/published-port.ts'
import { ownFolders } from '../../system/paths.ts'
import type { Deployment } from '../deployment.ts'
import { seccompFile } from './seccomp-file.ts'
import { plainEnvironment } from './variables.ts'
import { workloadFile, egressFile, trustFolder } from './state-files.ts'

/** What the units of a cage say, from what was decided and from how its folders are now. Changes nothing. */
export function planCage(deployment: Deployment, volumes: AgentVolumes = volumesOf(deployment)): CagePlan {
  const { name, config, record, folder, stateFolder } = deployment
  const { network, egress_image: hash, egress_base: base } = record
  if (network === undefined || hash === undefined)
    throw new CageError('state_unusable', `cage '${name}' has no network: it was not made with isolation: container`, {
      hint: `agentcage cage update ${name} decides anew.`,
    })
  const limits = hostLimits()
  return {
    egress: {
      name,
      image: imageToRun({ hash, base }),
      network,
      folder,
      stateFolder,
      environmentFile: egressFile(deployment),
      files: authorityFiles(deployment),
      keepsSecrets: keepsSecrets(config),
      ports: capturedPorts(config),
      published: config.container.ports.map(parsePort).filter((port) => port !== undefined),
      limits,
    },
    agent: {
      settings: config.container,
      environment: plainEnvironment(deployment),
      placeholderFile: workloadFile(deployment),
      trust: trustMounts(trustFolder(deployment)),
      volumes: volumes.mounts,
      seccompProfile: seccompFile(deployment),
      limits,
      ipv6: existsSync('/proc/sys/net/ipv6'),
    },
  }
}

/** `project`: a folder that may hold the configuration, see `agentVolumes`. */
export function volumesOf({ config, record, configPath, environment }: Deployment, project?: string): AgentVolumes {
  const own = { ...environment, ...record.environment }
  return agentVolumes({
    container: config.container,
    settings: [record.source, configPath],
    project,
    host: gatherHost({
      environment: own,
      workingDirectory: record.working_directory,
      ownFolders: ownFolders(environment),
    }),
    reserved: imageTrust('/').mounts.map(({ target }) => target),
  })
}

/** A server may answer a refresh token with the next one, and take the old one no more (RFC 6749 section 6). */
function keepsSecrets({ secret_injection: rules }: Config): boolean {
  return rules.some(({ transform }) => transform === 'oauth2-refresh')
}

/** Ports on which the workload is captured; DNS has its own. */
function capturedPorts(config: Config): readonly number[] {
  const named = config.domains?.list.flatMap((rule) => rule.ports ?? []) ?? []
  return [...new Set([...config.ports.tcp.allow, ...named])].filter((port) => port !== 53).toSorted((a, b) => a - b)
}

/** The egress sees it at the same path. */
function authorityFiles({ config, record }: Deployment): readonly string[] {
  const { ca_file: file } = config.upstream
  if (file === undefined) return []
  if (isAbsolute(file)) return [file]
  throw new CageError('config_invalid', `upstream.ca_file: '${file}' must be absolute with isolation: container`, {
    hint: `Write ${join(dirname(record.source), file)}.`,
  })
}

function trustMounts(folder: string): CagePlan['agent']['trust'] {
  const { mounts, environment } = imageTrust(folder)
  return { environment, mounts: mounts.filter((mount) => mount.kind === 'bind') }
}
