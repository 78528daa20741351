import { dirname, isAbsolute, resolve } from 'node:path'
import { stringify } from 'yaml'
import { readConfigBytes } from '../../config/file.ts'
import { parseConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { readYaml } from '../../config/yaml.ts'
import { withAdditions, type RunAdditions } from '../run-config.ts'
import { configPathOf } from '../settings.ts'
import type { ContainerRunRequest } from './run.ts'

/** Where the workload has the project. */
export const WORKSPACE = '/workspace'

/** A configuration as its owner wrote it. */
export interface OwnText {
  /** '' where there is none. */
  readonly text: string
  /** What errors call it. */
  readonly source: string
  /** Absolute; undefined: there is no file. */
  readonly path: string | undefined
  /** The project folder, absolute. */
  readonly project: string
}

/** Reads what a run goes by. Throws `config_unreadable`. */
export async function readOwnText(request: Omit<ContainerRunRequest, 'onStarted'>): Promise<OwnText> {
  const { configPath, presetText = '' } = request
  const project = resolve(request.workingDirectory, request.project)
  if (configPath === undefined) return { text: presetText, source: 'the configuration', path: undefined, project }
  const path = configPathOf(request)
  return { text: (await readConfigBytes(path ?? configPath)).toString('utf8'), source: configPath, path, project }
}

export interface RunConfigRequest extends OwnText {
  readonly name: string
  readonly additions: RunAdditions
}

/**
 * The configuration of one run as a text that the egress in its container reads: with what the command line adds, and with
 * the project at `/workspace`, unless something is there. Throws `config_invalid` for what its owner wrote.
 */
export function runConfigText({ text, source, path, name, additions, project }: RunConfigRequest): string {
  const own = parseConfig(text, source)
  const { secret_injection: rules } = withAdditions(own, additions)
  const data = section(readYaml(text).value)
  const added = rules.slice(own.secret_injection.length)
  return stringify({
    ...data,
    name,
    domains: withAllowed(data['domains'], additions),
    ...(added.length === 0
      ? {}
      : {
          secret_injection: [
            ...list(data['secret_injection']),
            ...added.map(({ env, inject_to }) => ({ env, inject_to })),
          ],
        }),
    container: withProject(own, section(data['container']), project),
    ...(own.upstream.ca_file === undefined
      ? {}
      : { upstream: { ...section(data['upstream']), ca_file: absolute(own.upstream.ca_file, path) } }),
  })
}

function withAllowed(domains: unknown, { allow }: RunAdditions): unknown {
  if (allow.length === 0) return domains
  return { mode: 'allowlist', ...section(domains), list: [...list(section(domains)['list']), ...allow] }
}

function withProject({ container }: Config, own: Readonly<Record<string, unknown>>, project: string): unknown {
  const targets = [...container.volumes, ...Object.values(container.named_volumes), ...container.tmpfs]
  const isTaken = targets.some((text) => text.split(':').includes(WORKSPACE))
  return isTaken
    ? own
    : { ...own, volumes: [`${project.replaceAll('$', '$$$$')}:${WORKSPACE}`, ...list(own['volumes'])] }
}

function absolute(file: string, configPath: string | undefined): string {
  return isAbsolute(file) ? file : resolve(configPath === undefined ? '.' : dirname(configPath), file)
}

function section(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
