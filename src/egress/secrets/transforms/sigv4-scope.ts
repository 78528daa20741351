import { isWithin, type Hostname } from '../../../policy/host.ts'
import { TransformRefused } from './refusal.ts'
import type { CredentialScope } from './sigv4-signature.ts'

/** What a rule lets the workload sign for; an empty list: whatever fits the host. */
export interface ScopeLimits {
  readonly regions: readonly string[]
  readonly services: readonly string[]
}

/** Where the names of hosts say what they serve. */
const AWS_ZONES = ['amazonaws.com', 'amazonaws.com.cn', 'api.aws', 'on.aws'] as readonly string[] as readonly Hostname[]

const REGION = /^[a-z]{2}(?:-(?:gov|iso[a-z]?))?-(?:north|south)?(?:east|west|central|north|south)-\d$/

/** Services whose name in a signature has nothing of the name of their hosts. */
const OTHER_NAMES: Readonly<Record<string, readonly string[]>> = {
  connect: ['contact-lens'],
  'execute-api': ['iot', 'connect'],
  mgh: ['migrationhub'],
  mobiletargeting: ['pinpoint'],
  ses: ['email', 'mail-manager'],
  sqs: ['queue'],
  'sso-oauth': ['oidc'],
}

/**
 * Throws TransformRefused when a signature is for another region or service than the host, or than the rule allows. The
 * signature covers the host too: this keeps a signature that AWS would refuse, or that a host could use elsewhere, from
 * being made at all.
 */
export function checkScope(scope: CredentialScope, host: Hostname, { regions, services }: ScopeLimits): void {
  if (regions.length > 0 && !regions.includes(scope.region)) throw refused(`region ${scope.region} is not in the rule`)
  if (services.length > 0 && !services.includes(scope.service))
    throw refused(`service ${scope.service} is not in the rule`)
  const zone = AWS_ZONES.find((candidate) => isWithin(host, candidate))
  if (zone === undefined) return
  const labels = host.slice(0, -zone.length - 1).split('.')
  const region = labels.findLast((label) => REGION.test(label))
  if (region !== undefined && region !== scope.region)
    throw refused(`it is for region ${scope.region}, the host is in ${region}`)
  if (services.length === 0 && !labels.some((label) => serves(label, scope.service)))
    throw refused(`it is for service ${scope.service}, which is not at this host`)
}

/** `bedrock-runtime` serves what is signed for `bedrock`, `marketplace` for `aws-marketplace`, `memory-db` for `memorydb`. */
function serves(label: string, service: string): boolean {
  const [host, signed] = [plain(label), plain(service)]
  if (host.length > 1 && (host.includes(signed) || signed.includes(host))) return true
  if (label.split('-').some((word) => word.length > 3 && signed.includes(word))) return true
  return OTHER_NAMES[service]?.some((name) => label.startsWith(name)) ?? false
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll('-', '')
}

function refused(problem: string): TransformRefused {
  return new TransformRefused('request', `the AWS signature cannot be used: ${problem}`)
}
