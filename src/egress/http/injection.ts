import type { EgressCore, Ruling } from '../core.ts'
import { Denial } from '../denial.ts'
import type { Secret } from '../../secrets/secret.ts'
import { acceptableCodings } from '../secrets/content-coding.ts'
import type { OutboundRequest } from '../secrets/binding.ts'
import type { SecretSet } from '../secrets/secret-set.ts'
import { InjectionRefused, type Injection } from '../secrets/injector.ts'
import { TransformRefused } from '../secrets/transforms/refusal.ts'
import { headerValues, withHeader, withoutHeaders, type HeaderList } from './headers.ts'
import { asDenial, askFor } from './token-exchange.ts'

/**
 * Puts the real values in, and leaves out what would keep the answer from being redacted: codings that are not decoded,
 * and byte ranges, by which an echoed secret could be read in pieces too short to be found. The only way that values take.
 * `made`: values of transforms by name. A value that cannot stand where its placeholder does is a Denial.
 */
export function injectInto(
  secrets: SecretSet,
  request: OutboundRequest,
  made?: ReadonlyMap<string, Secret>,
): Injection {
  const { target, headers: sent, body } = request
  if (secrets.isEmpty) return { target, headers: sent, body, injected: [], left: [], missing: [] }
  try {
    const injection = secrets.inject(request, made)
    const { headers } = injection
    const whole = secrets.mayServe(request.authority) ? withoutHeaders(headers, isRangeField) : headers
    return { ...injection, headers: decodableOnly(whole) }
  } catch (error) {
    if (error instanceof InjectionRefused) throw new Denial('secret_unusable', error.message)
    throw error
  }
}

/**
 * As `injectInto`, with what transforms make: tokens are asked for where there are none yet, and what the workload
 * signed with decoys is verified as it was sent and signed as it is going to be. Rejects with a Denial.
 */
export async function injectTransformed(
  core: EgressCore,
  ruling: Ruling,
  request: OutboundRequest,
  { canSign = true }: { readonly canSign?: boolean } = {},
): Promise<Injection> {
  try {
    const begun = ruling.transforms.begin(request, core.clock(), ruling.namesPort)
    if (begun !== undefined && !canSign)
      throw new TransformRefused('request', 'a request whose body is still to come cannot be signed')
    const filled = await injectWithTokens(core, ruling, (made) => injectInto(ruling.secrets, request, made))
    if (begun === undefined) return filled
    const { request: signed, signatures } = begun.sign({ ...request, ...filled }, core.clock())
    const { target, headers, body } = signed
    return { ...filled, target, headers, body, signatures, injected: [...filled.injected, ...begun.names] }
  } catch (error) {
    throw asDenial(error)
  }
}

/** Injects again with tokens when there are placeholders that stand for some. Rejects with a Denial. */
export async function injectWithTokens(
  core: EgressCore,
  { transforms }: Pick<Ruling, 'transforms'>,
  inject: (made?: ReadonlyMap<string, Secret>) => Injection,
): Promise<Injection> {
  const injection = inject()
  if (injection.missing.length === 0) return injection
  try {
    const filled = inject(await transforms.tokens(injection.missing, askFor(core)))
    const [name] = filled.missing
    if (name !== undefined) throw new TransformRefused('source', `there is no token for ${name}`)
    return filled
  } catch (error) {
    throw asDenial(error)
  }
}

/** Asks only for codings that redactor and inspectors can look into. */
export function decodableOnly(headers: HeaderList): HeaderList {
  const accepted = headerValues(headers, 'accept-encoding')
  return accepted.length === 0
    ? headers
    : withHeader(headers, 'Accept-Encoding', acceptableCodings(accepted.join(', ')))
}

function isRangeField(name: string): boolean {
  return name === 'range' || name === 'if-range'
}
