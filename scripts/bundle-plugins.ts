import { readFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { basename, join } from 'node:path'
import type { Plugin } from 'esbuild'

/** Node's own modules stay imports, whatever they are called; `withBuiltinsByName` sees to them afterwards. */
export function builtins(): Plugin {
  const names = new Set(builtinModules)
  return {
    name: 'builtins',
    setup(bundler) {
      bundler.onResolve({ filter: /^[a-z]/ }, ({ path }) => {
        const name = path.replace(/^node:/, '')
        return names.has(name) ? { path: `node:${name}`, external: true, sideEffects: false } : undefined
      })
    },
  }
}

/**
 * A bundled module that asks for Node's own modules by name. Importing one makes Node read all that it exports, and with
 * it load what nobody uses: `node:http` alone brings a second HTTP client, 14 MB and a tenth of the time that a command takes.
 */
export function withBuiltinsByName(text: string): string {
  const asked = text
    .replaceAll(IMPORT, (_, names: string, module: string) => {
      return `const ${names.replace('* as ', '').replaceAll(' as ', ': ')} = process.getBuiltinModule(${module});`
    })
    .replaceAll(/\b__require\(("node:[^"]+")\)/g, 'process.getBuiltinModule($1)')
  if (/^import .*"node:/m.test(asked)) throw new Error('an import of a module of Node in a form that is not known')
  return asked
}

/**
 * The text in ASCII. Node keeps the text of a module for as long as it runs, and all of it at twice the size for one
 * character that is not; the bundler escapes them everywhere but in comments.
 */
export function asciiComments(text: string): string {
  const ascii = text.replaceAll(COMMENT_LINE, (line) => line.replaceAll(NOT_ASCII, '?'))
  const found = new RegExp(`.*${NOT_ASCII.source}.*`, 'u').exec(ascii)
  if (found !== null) throw new Error(`not ASCII, and not in a comment of its own: ${found[0].slice(0, 200)}`)
  return ascii
}

const COMMENT_LINE = /^\s*(?:\/\/|\/?\*).*$/gm

const NOT_ASCII = /[^\p{ASCII}]/gu

/** As the bundler writes them: `import { a, b as c } from "node:x";`, `import c from …`, `import * as c from …`. */
const IMPORT = /^import (\{[^}]*\}|\* as \w+|\w+) from ("node:[^"]+");$/gm

/**
 * Commands that are imported when they run, a group as one module. Each on its own would be cut into pieces so small that
 * Node takes longer to find them than to read them.
 */
export function commandGroups(folder: string, groups: readonly (readonly string[])[]): Plugin {
  return {
    name: 'command-groups',
    setup(bundler) {
      bundler.onResolve({ filter: /\/commands\/[a-z-]+\.ts$/ }, ({ path, kind }) => {
        if (kind !== 'dynamic-import') return undefined
        const index = groups.findIndex((group) => group.includes(basename(path)))
        return { path: String(index), namespace: 'command-group' }
      })
      bundler.onLoad({ filter: /.*/, namespace: 'command-group' }, ({ path }) => {
        const names = groups[Number(path)] ?? []
        const lines = names.map((name) => `export * from ${JSON.stringify(join(folder, name))}`)
        return { contents: lines.join('\n'), resolveDir: folder }
      })
    },
  }
}

/** A library that a module loads late, by a `require` of its own making, is a file beside it. */
export function requiredBeside(libraries: readonly string[]): Plugin {
  return {
    name: 'required-beside',
    setup(bundler) {
      bundler.onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
        const text = await readFile(path, 'utf8')
        const rename = (all: string, name: string): string =>
          libraries.includes(name) ? `require('./${name}.cjs')` : all
        return { contents: text.replaceAll(/\brequire\('([a-z0-9-]+)'\)/g, rename), loader: 'ts' }
      })
    },
  }
}
