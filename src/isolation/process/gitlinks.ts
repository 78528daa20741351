import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { isWithin } from './paths.ts'

/** More than this is no index of a project that people work in. */
const LARGEST_LISTING = 64 << 20

/**
 * Folders that the index of the project's repository takes for repositories of their own. `git status` enters each,
 * however deep and whatever its name. Only the index is read: nothing that git could be configured to run takes part.
 */
export function gitlinks(project: string): readonly string[] {
  const git = spawnSync(
    'git',
    ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null', 'ls-files', '--stage', '-z'],
    {
      cwd: project,
      encoding: 'utf8',
      env: {
        PATH: process.env['PATH'],
        HOME: '/nonexistent',
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_CEILING_DIRECTORIES: resolve(project, '..'),
      },
      maxBuffer: LARGEST_LISTING,
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5000,
    },
  )
  return (git.stdout ?? '')
    .split('\0')
    .flatMap((entry) => /^160000 [^\t]*\t([^]+)$/.exec(entry)?.[1] ?? [])
    .map((path) => join(project, path))
    .filter((path) => isWithin(path, project))
}
