import { configSchema } from '../../../../src/config/schema.ts'
import { InspectorChain, type ChainResult } from '../../../../src/egress/inspect/chain.ts'
import { secretsOptions } from '../../../../src/egress/inspect/secrets-options.ts'
import { splitRules } from '../../../../src/egress/inspect/split/rules.ts'
import { splitInspector, type SplitRules } from '../../../../src/egress/inspect/split/split.ts'
import type { SecretBinding } from '../../../../src/egress/secrets/binding.ts'
import type { Hostname } from '../../../../src/policy/host.ts'
import type { Placeholder } from '../../../../src/secrets/placeholders.ts'
import { Secret } from '../../../../src/secrets/secret.ts'
import { contextOf, type Sent } from '../entropy-traffic.ts'

/** A value that is known: it may go to own.test. */
export const VALUE = 'wX7-a7Rk2Xq9Zt4Lm8Wc3Vb6Nf5Hj1PdGsYeQuTi'
/** A credential of a known format that nobody knows; GitHub may have it. */
export const TOKEN = `gh${'p_'}R7kQ2xX9zT4lM8wC3vB6nF5hJ1pdgSyEqUt7`

export interface Message {
  readonly message: string | Buffer
  readonly host?: string
  readonly direction?: 'inbound'
}

/** A cage's window, and the time in it. */
export class Cage {
  now = 1_790_000_000_000
  #rules: SplitRules | undefined
  #chain = new InspectorChain([])

  constructor(config: Readonly<Record<string, unknown>> = {}) {
    this.reload(config)
  }

  reload(config: Readonly<Record<string, unknown>>): void {
    const parsed = configSchema.parse(config)
    const bindings = [binding()]
    this.#rules = splitRules(
      parsed,
      {
        values: bindings,
        placeholders: bindings,
        options: secretsOptions(parsed, bindings, process.env),
        namesPort: () => false,
      },
      this.#rules,
    )
    const inspectors = this.#rules === undefined ? [] : [splitInspector(this.#rules, () => new Date(this.now))]
    this.#chain = new InspectorChain(inspectors)
  }

  async send(sent: Sent | Message): Promise<ChainResult> {
    if ('message' in sent) {
      const { message, host = 'other.test', direction = 'outbound' } = sent
      return this.#chain.inspectMessage(contextOf({ host, body: message, direction, protocol: 'websocket' }))
    }
    return this.#chain.inspectRequest(contextOf({ host: 'other.test', method: 'GET', ...sent }))
  }

  /** Of DNS. */
  ask(host: string): ChainResult {
    return this.#chain.inspectQuestion({ ...contextOf({ host, path: '', protocol: 'dns' }), url: `dns:${host}` })
  }

  /** The reasons of all that is not passed over, each once. */
  async reasons(all: Iterable<Sent | Message>): Promise<string[]> {
    const reasons = new Set<string>()
    for (const sent of all) {
      const { findings } = await this.send(sent)
      for (const { reason, action } of findings) reasons.add(`${action}: ${reason}`)
    }
    return [...reasons]
  }

  /** Whether anything of it was blocked. */
  async blocks(all: Iterable<Sent | Message>): Promise<boolean> {
    for (const sent of all) if ((await this.send(sent)).denial !== undefined) return true
    return false
  }
}

function binding(): SecretBinding {
  return {
    name: 'KEY',
    value: new Secret('KEY', VALUE),
    placeholder: 'agentcage:secret:KEY:0123456789abcdef0123456789abcdef' as Placeholder,
    injectTo: [{ host: 'own.test' as Hostname }],
    injectHeaders: new Set(),
    injectBody: false,
  }
}

export function cut(text: string, size: number): string[] {
  return text.match(new RegExp(`.{1,${size}}`, 'gs')) ?? []
}
