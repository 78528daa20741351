import { isDeepStrictEqual } from 'node:util'
import { isMap, isScalar, isSeq, parseDocument, YAMLMap, YAMLSeq, type Document, type Node } from 'yaml'
import { CageError } from '../errors.ts'
import { parseHostname, type Hostname } from '../policy/host.ts'
import { spliceEnd, spliceItem, spliceOut } from './splice.ts'

/** A host to put into `domains.list`. */
export interface HostEntry {
  readonly host: Hostname
  /** When the entry ends; absent: never. */
  readonly expires?: Date | undefined
}

/** A configuration's text after a change; the same text where there was nothing to change. */
export interface EditedText {
  readonly text: string
  readonly changed: boolean
}

/**
 * Puts a host into `domains.list`, in a text that is a right configuration; all else stays, comments, order and style. An
 * entry for the same host that differs only in when it ends is replaced. Throws `config_invalid` where the list is not
 * written out.
 */
export function addHost(text: string, { host, expires }: HostEntry): EditedText {
  const document = parseDocument(text)
  const list = listOf(document)
  const index = list.items.findIndex((item) => plainHostOf(item) === host)
  const before = list.items[index]
  if (index !== -1 && expires === undefined && isScalar(before)) return { text, changed: false }
  const item = expires === undefined ? host : `{ host: ${host}, expires: ${timeText(expires)} }`
  const spliced = index === -1 ? spliceEnd(text, list, item) : spliceItem(text, list, { index, item })
  const entry = document.createNode(expires === undefined ? host : { host, expires: timeText(expires) })
  if (index === -1) list.add(entry)
  else replaceAt(list, index, entry)
  return { text: meant(document, spliced) ?? print(document, text), changed: true }
}

/** Takes a host out of `domains.list`: its entry, and those with conditions. Subdomains that are listed stay. */
export function removeHost(text: string, host: Hostname): EditedText {
  const document = parseDocument(text)
  const list = listOf(document)
  const index = list.items.findIndex((item) => hostOf(item) === host)
  if (index === -1) return { text, changed: false }
  const spliced = spliceOut(text, list, index)
  list.items.splice(index, 1)
  const next = meant(document, spliced) ?? print(document, text)
  return { text: removeHost(next, host).text, changed: true }
}

/** The spliced text, if it says what the document does. */
function meant(document: Document, spliced: string | undefined): string | undefined {
  if (spliced === undefined) return undefined
  const parsed = parseDocument(spliced)
  return parsed.errors.length === 0 && isDeepStrictEqual(parsed.toJS(), document.toJS()) ? spliced : undefined
}

/** `domains.list`; made where there is none, in the document only. */
function listOf(document: Document): YAMLSeq<Node> {
  document.contents ??= new YAMLMap() as never
  const root = mapOf(document.contents, 'the configuration')
  if (root.get('domains', true) === undefined) root.set('domains', document.createNode({ mode: 'allowlist' }))
  const domains = root.get('domains', true)
  const section = isScalar(domains) && domains.value === null ? emptyMap(root) : mapOf(domains, 'domains')
  const list = section.get('list', true)
  if (list === undefined || (isScalar(list) && list.value === null)) section.set('list', new YAMLSeq())
  const made = section.get('list', true)
  if (isSeq(made)) return made as YAMLSeq<Node>
  throw notWrittenOut('domains.list')
}

function emptyMap(root: YAMLMap): YAMLMap {
  const section = new YAMLMap()
  root.set('domains', section)
  return section
}

function mapOf(node: unknown, what: string): YAMLMap {
  if (isMap(node)) return node
  throw notWrittenOut(what)
}

function notWrittenOut(what: string): CageError {
  return new CageError('config_invalid', `${what} is not written out, so that it cannot be changed by itself`, {
    hint: 'Change it with: agentcage cage edit NAME',
  })
}

/** An entry keeps its comments when it is replaced. */
function replaceAt(list: YAMLSeq<Node>, index: number, entry: Node): void {
  const { comment, commentBefore, spaceBefore } = list.items[index] ?? {}
  Object.assign(entry, { comment, commentBefore, spaceBefore })
  list.items[index] = entry
}

/** Of an entry without conditions other than its end. */
function plainHostOf(item: Node): Hostname | undefined {
  if (isMap(item) && item.items.some(({ key }) => !isScalar(key) || (key.value !== 'host' && key.value !== 'expires')))
    return undefined
  return hostOf(item)
}

function hostOf(item: Node): Hostname | undefined {
  const value = isMap(item) ? item.get('host') : isScalar(item) ? item.value : undefined
  return typeof value === 'string' ? parseHostname(value) : undefined
}

function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`
}

/** As the author writes: the same indentation, and no line folded. */
function print(document: Document, source: string): string {
  return document.toString({
    lineWidth: 0,
    indent: indentOf(source),
    indentSeq: !/^( *)[\w-]+:[ \t]*(?:#.*)?\n\1- /m.test(source),
    flowCollectionPadding: !/[[{][^\s\]}]/.test(source),
  })
}

function indentOf(source: string): number {
  const first = /^( +)[\w-]+:/m.exec(source)?.[1]?.length ?? 2
  return first > 8 ? 2 : first
}
