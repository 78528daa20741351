/**
 * With the decoy keys a workload could ask AWS for keys that are real: temporary ones of STS, new ones of IAM. Such
 * requests are signed only where the rule names the service; asking who one is, and looking, needs nothing.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refuseCredentials } from '../../../../src/egress/secrets/transforms/sigv4-credentials.ts'
import { authority } from '../example.ts'

const FORM = ['Content-Type', 'application/x-www-form-urlencoded; charset=utf-8'] as const

interface Asked {
  readonly service?: string
  readonly target?: string
  readonly headers?: readonly string[]
  readonly body?: string
  readonly named?: readonly string[]
}

function ask({ service = 'sts', target = '/', headers = FORM, body = '', named = [] }: Asked): void {
  const request = { method: 'POST', scheme: 'https', authority: authority(`${service}.amazonaws.com`) } as const
  refuseCredentials({ ...request, target, headers, body: Buffer.from(body) }, service, named)
}

test('what gives out no credentials, or was meant', () => {
  ask({ body: 'Action=GetCallerIdentity&Version=2011-06-15' })
  ask({ target: '/?Action=GetCallerIdentity&Version=2011-06-15', headers: [] })
  ask({ service: 'iam', body: 'Action=ListUsers&Version=2010-05-08' })
  ask({ service: 's3', target: '/key', body: 'anything', headers: [] })
  ask({ body: 'Action=AssumeRole', named: ['s3', 'sts'] })
  ask({ service: 's3', target: '/v20180820/accessgrantsinstance/grants', headers: [] })
  ask({ service: 's3', target: '/v20180820/accessgrantsinstance/dataaccess', headers: [], named: ['s3'] })
  ask({ service: 'constructor' })
})

const ATTACKS: Readonly<Record<string, Asked>> = {
  'a session token': { body: 'Action=GetSessionToken&Version=2011-06-15' },
  'a role': { body: 'Action=AssumeRole&RoleArn=x' },
  'in the URL': { target: '/?Action=AssumeRole' },
  'a name with an escape': { body: '%41ction=AssumeRole' },
  'a harmless action first': { body: 'Action=GetCallerIdentity&Action=GetSessionToken' },
  'a harmless action last': { body: 'Action=GetSessionToken&Action=GetCallerIdentity' },
  'a harmless action in the URL': { target: '/?Action=GetCallerIdentity', body: 'Action=GetSessionToken' },
  'a name in another case': { target: '/?action=GetSessionToken', body: 'Action=GetCallerIdentity' },
  'a body that is no form': { target: '/?Action=GetCallerIdentity', headers: [], body: '{"a":1}' },
  'a compressed form': { headers: [...FORM, 'Content-Encoding', 'gzip'], body: 'Action=GetCallerIdentity' },
  'another protocol': { headers: [...FORM, 'smithy-protocol', 'rpc-v2-cbor'], target: '/?Action=GetCallerIdentity' },
  'an operation as a path': { target: '/service/STS/operation/AssumeRole?Action=GetCallerIdentity', headers: [] },
  'a target': { headers: ['X-Amz-Target', 'x.GetSessionToken'], target: '/?Action=GetCallerIdentity' },
  'no action': { body: '' },
  'a new key': { service: 'iam', body: 'Action=CreateAccessKey' },
  'rights for oneself': { service: 'iam', body: 'Action=AttachUserPolicy' },
  'a word that begins like a look': { service: 'iam', body: 'Action=List%0aCreateAccessKey' },
  'an identity': { service: 'cognito-identity', headers: ['X-Amz-Target', 'x.GetCredentialsForIdentity'] },
  'a session with a bucket': { service: 's3express', target: '/?session', headers: [] },
  'access that was granted to data': { service: 's3', target: '/v20180820/accessgrantsinstance/dataaccess?target=x' },
  'the same with an escape': { service: 's3', target: '/v20180820/accessgrantsinstance/%64ataaccess', headers: [] },
  'a job of a pipeline': { service: 'codepipeline', headers: ['X-Amz-Target', 'CodePipeline_20150709.PollForJobs'] },
  'an environment of data': { service: 'datazone', target: '/v2/domains/d/environments/e/credentials', headers: [] },
  'a list that names others': { body: 'Action=GetSessionToken', named: ['s3', 'iam'] },
}

for (const [name, asked] of Object.entries(ATTACKS)) {
  test(`no credentials: ${name}`, () => {
    assert.throws(() => ask(asked), { name: 'TransformRefused', kind: 'request', message: /gives out credentials/ })
  })
}
