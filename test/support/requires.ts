import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'

/**
 * What a test needs of the machine. Where it is missing the test is skipped and says why; where `CI` is set it fails,
 * because there everything was installed on purpose and a skip would hide a hole.
 */

/** For `test(name, { skip: missingTools('bwrap') }, …)`: false, or the reason. Throws where `CI` is set. */
export function missingTools(...names: readonly string[]): string | false {
  const missing = names.filter((name) => findTool(name) === undefined)
  return missing.length === 0 ? false : missingOnThisMachine(missing.join(', '))
}

/** Inside a test: `if (!requireTool(t, 'bwrap')) return`. */
export function requireTool(t: TestContext, ...names: readonly string[]): boolean {
  const reason = missingTools(...names)
  if (reason !== false) t.skip(reason)
  return reason === false
}

/** Inside a test, for what is not a tool: `if (!requireThat(t, ipv6, 'IPv6 on loopback')) return`. */
export function requireThat(t: TestContext, holds: boolean, what: string): boolean {
  if (!holds) t.skip(missingOnThisMachine(what))
  return holds
}

/** The reason for a skip; throws where `CI` is set. */
export function missingOnThisMachine(what: string): string {
  const reason = `this machine lacks ${what}`
  if (isCi()) throw new Error(`${reason}, and CI skips nothing`)
  return reason
}

/** Absolute path of a program, from PATH and where Debian keeps administration tools. */
export function findTool(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return folders
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

/**
 * A reason to skip when a cage would not show the Node that runs the tests: programs below folders that anybody may write
 * to stay outside. A checkout elsewhere has no such trouble.
 */
export function hiddenRuntime(): string | false {
  return (
    /^\/(?:tmp|var\/tmp)\//.test(process.execPath) &&
    `${process.execPath} is not shown in a cage: run the tests in a checkout elsewhere`
  )
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function isCi(): boolean {
  const value = process.env['CI'] ?? ''
  return value !== '' && value !== '0' && value !== 'false'
}
