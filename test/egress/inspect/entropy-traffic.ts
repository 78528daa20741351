import { createHash } from 'node:crypto'
import { contentTypeInspector, type ContentTypeSettings } from '../../../src/egress/inspect/content-type.ts'
import { entropyInspector, type EntropySettings } from '../../../src/egress/inspect/entropy.ts'
import type { InspectionContext, Inspector, Verdict } from '../../../src/egress/inspect/inspector.ts'
import type { Hostname } from '../../../src/policy/host.ts'

export const ENTROPY: EntropySettings = {
  threshold: 7,
  min_body_bytes: 256,
  action: 'flag',
  exempt_content_types: [
    'image/',
    'audio/',
    'video/',
    'font/',
    'application/pdf',
    'application/vnd.openxmlformats-officedocument.',
    'application/x-git-receive-pack-request',
    'application/x-git-upload-pack-request',
  ],
  host_exempt_content_types: {},
  check_url_params: true,
  check_url_path: true,
  url_threshold: 5.5,
  url_min_value_bytes: 64,
  host_url_param_allowlist: {},
}

export const CONTENT_TYPE: ContentTypeSettings = { action: 'flag', base64_min_len: 256, model_hosts: [] }

export interface Sent {
  readonly host?: string
  readonly method?: string
  readonly path?: string
  readonly type?: string
  readonly headers?: readonly string[]
  readonly body?: Buffer | string
  readonly protocol?: InspectionContext['protocol']
  readonly direction?: InspectionContext['direction']
  readonly priorResults?: InspectionContext['priorResults']
}

export function contextOf(sent: Sent): InspectionContext {
  const { host = 'api.example.com', path = '/', type = '', headers = [], body = '' } = sent
  return {
    direction: sent.direction ?? 'outbound',
    protocol: sent.protocol ?? 'http/1.1',
    method: sent.method ?? 'POST',
    url: `https://${host}${path}`,
    host: host as Hostname,
    port: 443,
    path,
    headers: type === '' ? headers : ['Content-Type', type, ...headers],
    contentType: type,
    priorResults: sent.priorResults ?? [],
    body: typeof body === 'string' ? Buffer.from(body) : body,
  }
}

/** What the two inspectors say of a request, head and body, in their order; '' for nothing. */
export function judge(
  sent: Sent,
  settings: { readonly entropy?: Partial<EntropySettings>; readonly contentType?: Partial<ContentTypeSettings> } = {},
): string {
  const inspectors = [
    entropyInspector({ ...ENTROPY, ...settings.entropy }),
    contentTypeInspector({ ...CONTENT_TYPE, ...settings.contentType }),
  ]
  const context = contextOf(sent)
  return inspectors.flatMap((inspector) => reasons(inspector, context)).join('; ')
}

function reasons(inspector: Inspector, context: InspectionContext): string[] {
  const verdicts = [inspector.inspectHead?.(context), inspector.inspectRequest?.(context)] as (Verdict | undefined)[]
  return verdicts.flatMap((verdict) => (verdict === undefined || verdict.kind === 'pass' ? [] : [verdict.reason]))
}

/** Random bytes that are the same in every run. */
export function randomLike(size: number, seed: string | number = 0): Buffer {
  const blocks: Buffer[] = []
  for (let index = 0; index * 64 < size; index++) blocks.push(createHash('sha512').update(`${seed}:${index}`).digest())
  return Buffer.concat(blocks).subarray(0, size)
}
