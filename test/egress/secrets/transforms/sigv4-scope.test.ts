/**
 * A signature is made for the region and the service that the host's name says, and for those of the rule only.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Hostname } from '../../../../src/policy/host.ts'
import { checkScope } from '../../../../src/egress/secrets/transforms/sigv4-scope.ts'

const ANY = { regions: [], services: [] }

test('what fits', () => {
  for (const [host, region, service] of [
    ['s3.amazonaws.com', 'us-east-1', 's3'],
    ['bucket.s3.eu-west-1.amazonaws.com', 'eu-west-1', 's3'],
    ['eu-west-1.bucket.s3.us-gov-west-1.amazonaws.com', 'us-gov-west-1', 's3'],
    ['bedrock-runtime.us-east-1.amazonaws.com', 'us-east-1', 'bedrock'],
    ['email.us-east-1.amazonaws.com', 'us-east-1', 'ses'],
    ['a1b2.execute-api.eu-central-1.amazonaws.com', 'eu-central-1', 'execute-api'],
    ['sts.cn-north-1.amazonaws.com.cn', 'cn-north-1', 'sts'],
    ['id.lambda-url.us-east-2.on.aws', 'us-east-2', 'lambda'],
    ['minio.internal', 'anywhere', 's3'],
    ['10.0.0.1', 'us-east-1', 'execute-api'],
  ] as const)
    checkScope({ date: '20150830', region, service }, host as string as Hostname, ANY)
})

test('what does not', () => {
  for (const [host, region, service] of [
    ['bucket.s3.eu-west-1.amazonaws.com', 'us-east-1', 's3'],
    ['s3.amazonaws.com', 'us-east-1', 'iam'],
    ['sqs.us-east-1.amazonaws.com', 'us-east-1', 'sts'],
    ['amazonaws.com', 'us-east-1', 's3'],
    ['x.amazonaws.com', 'us-east-1', 'x1y2'],
  ] as const) {
    assert.throws(() => checkScope({ date: '20150830', region, service }, host as string as Hostname, ANY), {
      name: 'TransformRefused',
      kind: 'request',
    })
  }
})

test('what the rule says counts at every host', () => {
  const limits = { regions: ['eu-west-1'], services: ['s3'] }
  const check = (region: string, service: string): void =>
    checkScope({ date: '20150830', region, service }, 'store.test' as Hostname, limits)
  check('eu-west-1', 's3')
  assert.throws(() => check('eu-west-2', 's3'), /region eu-west-2 is not in the rule/)
  assert.throws(() => check('eu-west-1', 'sts'), /service sts is not in the rule/)
})

test('hosts whose names are not those of what is signed', () => {
  for (const [prefix, service] of ENDPOINTS) {
    const host = `${prefix}.eu-west-1.amazonaws.com` as Hostname
    checkScope({ date: '20150830', region: 'eu-west-1', service }, host, ANY)
  }
})

/** From the endpoints that botocore knows: how the host begins, and the service in its signatures. */
const ENDPOINTS = [
  ['a2i-runtime.sagemaker', 'sagemaker'],
  ['admin.wickr', 'wickr'],
  ['agreement-marketplace', 'aws-marketplace'],
  ['api.detective', 'detective'],
  ['api.ecr', 'ecr'],
  ['api.ecr-public', 'ecr-public'],
  ['api.elastic-inference', 'elastic-inference'],
  ['api.fleethub.iot', 'iotfleethub'],
  ['api.iotdeviceadvisor', 'iotdeviceadvisor'],
  ['api.iotmanagedintegrations', 'iotmanagedintegrations'],
  ['api.iotwireless', 'iotwireless'],
  ['api.mediatailor', 'mediatailor'],
  ['api.pricing', 'pricing'],
  ['api.sagemaker', 'sagemaker'],
  ['api.tunneling.iot', 'IoTSecuredTunneling'],
  ['appconfigdata', 'appconfig'],
  ['appstream2', 'appstream'],
  ['backupstorage', 'backup-storage'],
  ['bedrock-agent', 'bedrock'],
  ['bedrock-agent-runtime', 'bedrock'],
  ['bedrock-agentcore-control', 'bedrock-agentcore'],
  ['bedrock-data-automation', 'bedrock'],
  ['bedrock-data-automation-runtime', 'bedrock'],
  ['bedrock-runtime', 'bedrock'],
  ['cassandra-streams', 'cassandra'],
  ['catalog.marketplace', 'aws-marketplace'],
  ['cloudhsmv2', 'cloudhsm'],
  ['cloudsearchdomain', 'cloudsearch'],
  ['contact-lens', 'connect'],
  ['controlplane.payment-cryptography', 'payment-cryptography'],
  ['data-ats.iot', 'iotdata'],
  ['data-signer', 'signer'],
  ['data.iotevents', 'ioteventsdata'],
  ['data.jobs.iot', 'iot-jobs-data'],
  ['data.mediastore', 'mediastore'],
  ['data.qapps', 'qapps'],
  ['dataplane.payment-cryptography', 'payment-cryptography'],
  ['deployment-marketplace', 'aws-marketplace'],
  ['devices.iot1click', 'iot1click'],
  ['discovery-marketplace', 'aws-marketplace'],
  ['edge.sagemaker', 'sagemaker'],
  ['email', 'ses'],
  ['entitlement.marketplace', 'aws-marketplace'],
  ['featurestore-runtime.sagemaker', 'sagemaker'],
  ['forecastquery', 'forecast'],
  ['global.health', 'health'],
  ['identity-chime', 'chime'],
  ['ingest.timestream', 'timestream'],
  ['iot', 'execute-api'],
  ['ivsrealtime', 'ivs'],
  ['mail-manager', 'ses'],
  ['media-pipelines-chime', 'chime'],
  ['meetings-chime', 'chime'],
  ['memory-db', 'memorydb'],
  ['messaging-chime', 'chime'],
  ['metering.marketplace', 'aws-marketplace'],
  ['metrics.sagemaker', 'sagemaker'],
  ['migrationhub-config', 'mgh'],
  ['mobile', 'AWSMobileHubService'],
  ['models-v2-lex', 'lex'],
  ['models.lex', 'lex'],
  ['oidc', 'awsssooidc'],
  ['participant.connect', 'execute-api'],
  ['personalize-events', 'personalize'],
  ['personalize-runtime', 'personalize'],
  ['pinpoint', 'mobiletargeting'],
  ['portal.sso', 'awsssoportal'],
  ['projects.iot1click', 'iot1click'],
  ['query.timestream', 'timestream'],
  ['reporting-marketplace', 'aws-marketplace'],
  ['runtime-v2-lex', 'lex'],
  ['runtime.lex', 'lex'],
  ['runtime.sagemaker', 'sagemaker'],
  ['s3-control', 's3'],
  ['servicecatalog-appregistry', 'servicecatalog'],
  ['session.qldb', 'qldb'],
  ['sms-voice.pinpoint', 'sms-voice'],
  ['streams.dynamodb', 'dynamodb'],
  ['voice-chime', 'chime'],
] as const
