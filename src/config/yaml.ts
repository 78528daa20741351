import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml'
import type { Alias, Document, Node, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml'
import { formatPath, quote, type KeyPath, type Problem } from './problem.ts'
import { syntaxProblem, textProblem } from './yaml-syntax.ts'

/** A YAML text as data, with the way back from data to the text. */
export interface YamlText {
  /** Plain data: objects, arrays, strings, numbers, booleans, null. Meaningless when there are problems. */
  readonly value: unknown
  readonly problems: readonly Problem[]
  /** A problem with the value at `path`, or with its key. Where there is none, the enclosing mapping is pointed at. */
  problemAt(path: KeyPath, at: 'key' | 'value', message: string): Problem
  /** A plain scalar as it was written: `1.10`, not 1.1. Undefined where there is none, or it is quoted. */
  plainSourceAt(path: KeyPath): string | undefined
}

/** Deeper than any configuration; below what would exhaust the stack. */
const MAX_DEPTH = 32

/**
 * Nodes after expansion of aliases. Nine lines of YAML can otherwise stand for 10^9 nodes ("billion laughs").
 */
const MAX_NODES = 200_000

/** Tags of the YAML 1.2 core schema; the library would take others of YAML 1.1 too, such as !!binary. */
const CORE_TAG = /^tag:yaml\.org,2002:(?:map|seq|str|null|bool|int|float)$/

/**
 * Reads one YAML 1.2 document. Stricter than YAML: no duplicate keys, no tags of one's own, no keys that are not text,
 * no merge keys, no second document. An empty text is an empty mapping.
 */
export function readYaml(text: string): YamlText {
  const unreadable = textProblem(text)
  if (unreadable !== undefined) return withoutNodes([unreadable])
  const lines = new LineCounter()
  const documents = parseAllDocuments(text.replace(/^\ufeff/, ''), {
    lineCounter: lines,
    prettyErrors: false,
    schema: 'core',
    // The library compares every key with every other; a large file would take minutes. The conversion uses a map.
    uniqueKeys: false,
  })
  const problem = syntaxProblem(Array.isArray(documents) ? documents : [], lines)
  if (problem !== undefined) return withoutNodes([problem])
  return new Conversion(Array.isArray(documents) ? documents[0] : undefined, lines)
}

function withoutNodes(problems: readonly Problem[]): YamlText {
  return {
    value: undefined,
    problems,
    problemAt: (path, _at, message) => ({ line: 1, column: 1, message, path: formatPath(path) }),
    plainSourceAt: () => undefined,
  }
}

interface Anchored {
  readonly node: Node
  readonly value: unknown
  /** Nodes in it, aliases expanded. */
  readonly size: number
}

/** From nodes to data. An alias shares the value it names, so that its size is counted but not built. */
class Conversion implements YamlText {
  readonly value: unknown
  readonly problems: Problem[] = []
  readonly #root: Node | null
  readonly #lines: LineCounter
  readonly #anchors = new Map<string, Anchored>()
  readonly #targets = new Map<Alias, Node>()
  #size = 0

  constructor(document: Document.Parsed | undefined, lines: LineCounter) {
    this.#root = document?.contents ?? null
    this.#lines = lines
    this.value = this.#convert(this.#root, [])
    if (this.value === null) this.value = {}
  }

  problemAt(path: KeyPath, at: 'key' | 'value', message: string): Problem {
    return this.#problem(this.#find(path, at), path, message)
  }

  plainSourceAt(path: KeyPath): string | undefined {
    const node = this.#find(path, 'value')
    return isScalar(node) && node.type === 'PLAIN' ? node.source : undefined
  }

  #convert(node: Node | null, path: KeyPath): unknown {
    if (node === null) return null
    this.#size += 1
    if (path.length > MAX_DEPTH) return this.#refuse(node, path, 'nested too deeply')
    if (isAlias(node)) return this.#follow(node, path)
    if (node.tag !== undefined && !CORE_TAG.test(node.tag)) {
      return this.#refuse(node, path, `has the tag ${quote(node.tag)}, which is not supported`)
    }
    const before = this.#size
    const value = this.#content(node, path)
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, { node, value, size: this.#size - before + 1 })
    return value
  }

  #content(node: Node, path: KeyPath): unknown {
    if (isMap(node)) return this.#mapping(node, path)
    if (isSeq(node))
      return (node as YAMLSeq<Node | null>).items.map((item, index) => this.#convert(item, [...path, index]))
    const { value } = node as Scalar
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      return value
    return this.#refuse(node, path, 'must be text, a number, true, false, a list or a mapping')
  }

  #mapping(map: YAMLMap, path: KeyPath): Record<string, unknown> {
    const result: Record<string, unknown> = {}
    const seen = new Map<string, Node>()
    for (const { key, value } of map.items as Pair<Node | null, Node | null>[]) {
      const name = this.#key(key, map, path)
      if (name === undefined || key === null) continue
      const first = seen.get(name)
      if (first !== undefined) {
        this.#refuse(key, [...path, name], `duplicate key ${quote(name)}, first on line ${this.#place(first).line}`)
        continue
      }
      seen.set(name, key)
      result[name] = this.#convert(value, [...path, name])
    }
    return result
  }

  /** The key as text; undefined, and a problem, for what cannot be one. */
  #key(key: Node | null, map: YAMLMap, path: KeyPath): string | undefined {
    if (!isScalar(key) || typeof key.value !== 'string') {
      this.#refuse(key ?? map, path, 'a key must be text; put it in quotes')
      return undefined
    }
    if (key.value === '<<' && key.type === 'PLAIN') {
      this.#refuse(key, path, 'merge keys (<<) are not supported; write the keys out')
      return undefined
    }
    // Assigning it would set the object's prototype, and a check of own keys would not see it.
    if (key.value === '__proto__') {
      this.#refuse(key, path, 'unknown key "__proto__"')
      return undefined
    }
    return key.value
  }

  #follow(alias: Alias, path: KeyPath): unknown {
    const target = this.#anchors.get(alias.source)
    if (target === undefined)
      return this.#refuse(alias, path, `alias ${quote(`*${alias.source}`)} has no anchor before it`)
    this.#targets.set(alias, target.node)
    this.#size += target.size
    if (this.#size > MAX_NODES) return this.#refuse(alias, path, 'aliases expand to too much')
    return target.value
  }

  #refuse(node: Node, path: KeyPath, message: string): undefined {
    const name = formatPath(path)
    this.problems.push(
      this.#problem(node, path, name === '' || !/^(?:is|has|must) /.test(message) ? message : `${name} ${message}`),
    )
    return undefined
  }

  /** The node at the end of `path`, or the nearest above it that exists. */
  #find(path: KeyPath, at: 'key' | 'value'): Node | null {
    let node = this.#root
    for (const [index, part] of path.entries()) {
      const parent = this.#resolved(node)
      if (isMap(parent)) {
        const pair = (parent as YAMLMap<Node, Node | null>).items.find(({ key }) => isScalar(key) && key.value === part)
        if (pair === undefined) return node
        node = pair.value === null || (at === 'key' && index === path.length - 1) ? pair.key : pair.value
      } else if (isSeq(parent) && typeof part === 'number') {
        node = (parent as YAMLSeq<Node>).items[part] ?? node
      } else {
        return node
      }
    }
    return node
  }

  #resolved(node: Node | null): Node | null {
    return isAlias(node) ? (this.#targets.get(node) ?? null) : node
  }

  #problem(node: Node | null, path: KeyPath, message: string): Problem {
    return { ...this.#place(node), message, path: formatPath(path) }
  }

  #place(node: Node | null): { readonly line: number; readonly column: number } {
    const { line, col } = this.#lines.linePos(node?.range?.[0] ?? 0)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
}
