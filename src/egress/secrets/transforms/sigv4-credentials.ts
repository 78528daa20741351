import { headerValue, headerValues } from '../../http/headers.ts'
import { TransformRefused } from './refusal.ts'
import { splitTarget } from './sigv4-canonical.ts'
import type { AwsRequest } from './sigv4-verify.ts'

const NOTHING = /^(?!)/

/** Services that give out keys or rights, with what may be asked of them all the same. */
const GIVING: Readonly<Record<string, RegExp>> = {
  codepipeline: NOTHING, // PollForJobs
  'cognito-identity': NOTHING,
  datazone: NOTHING, // GetEnvironmentCredentials
  deadline: NOTHING, // AssumeQueueRoleForUser
  'eks-auth': NOTHING,
  'finspace-api': NOTHING, // GetProgrammaticAccessCredentials
  gamelift: NOTHING, // GetComputeAccess
  iam: /^(?:Get|List|Simulate)[A-Za-z]*$/,
  lakeformation: NOTHING,
  s3express: NOTHING, // CreateSession
  'sso-oauth': NOTHING,
  sts: /^(?:GetCallerIdentity|GetAccessKeyInfo|DecodeAuthorizationMessage)$/,
}

/**
 * Throws TransformRefused for a request whose answer may hold keys of AWS (`AssumeRole`, `CreateAccessKey`), unless the
 * rule names the service: they would be real ones, and nobody knows them before they are in the cage.
 */
export function refuseCredentials(request: AwsRequest, service: string, named: readonly string[]): void {
  const harmless = isDataAccess(request, service)
    ? NOTHING
    : Object.hasOwn(GIVING, service)
      ? GIVING[service]
      : undefined
  if (harmless === undefined || named.includes(service)) return
  const action = onlyAction(request)
  if (action !== undefined && harmless.test(action)) return
  throw new TransformRefused(
    'request',
    `the AWS signature cannot be used: ${service} gives out credentials, and the rule's services do not name it`,
  )
}

/** GetDataAccess of S3 Access Grants, however its path is written. */
function isDataAccess({ target }: AwsRequest, service: string): boolean {
  if (service !== 's3') return false
  const path = splitTarget(target)[0].replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return /\/accessgrantsinstance\/+dataaccess\/*$/i.test(path)
}

/** Of the Query protocol: the one `Action` in the URL or the form. Undefined where anything could be read another way. */
function onlyAction({ target, headers, body }: AwsRequest): string | undefined {
  const [path, query] = splitTarget(target)
  const type = headerValue(headers, 'content-type') ?? ''
  const isForm = body.length === 0 || /^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type)
  const isOther = ['x-amz-target', 'smithy-protocol', 'content-encoding'].some(
    (name) => headerValues(headers, name).length > 0,
  )
  if (path !== '/' || !isForm || isOther) return undefined
  const parameters = [...new URLSearchParams(query), ...new URLSearchParams(body.toString('latin1'))]
  const actions = parameters.filter(([name]) => name.trim().toLowerCase() === 'action')
  return actions.length === 1 ? actions[0]?.[1] : undefined
}
