import { HEX, pattern, prefixed, sample, UPPER } from './build.ts'
import type { SecretPattern } from './pattern.ts'

/** Clouds, their storage, and what runs on them. */
export const CLOUD_PATTERNS: readonly SecretPattern[] = [
  prefixed(['aws_access_key', 'Amazon Web Services', ['amazonaws.com']], ['AKIA', 'ASIA', 'ABIA', 'ACCA'], {
    regex: /(?<![A-Z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Z0-9])|AKIA[A-Z2-7]{16}/,
    positive: `AK${'IA'}${sample(16, 'QXMZKRPVTWNBHJ2734')}`,
  }),
  prefixed(
    ['aws_secret_key', 'Amazon Web Services', ['amazonaws.com']],
    ['aws_secret', 'AWS_SECRET', 'SecretAccessKey', 'secretAccessKey'],
    {
      regex:
        /(?:aws_secret(?:_access)?_key|AWS_SECRET(?:_ACCESS)?_KEY|[Ss]ecretAccessKey)["'\\]{0,4}\s{0,4}[=:>]{1,2}\s{0,4}["'\\]{0,4}[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])/,
      positive: `aws_secret${'_access_key'} = ${sample(40)}`,
    },
  ),
  prefixed(['aws_bedrock_key', 'Amazon Bedrock', ['amazonaws.com']], ['ABSKQmVkcm9ja0FQSUtleS'], {
    regex: /ABSKQmVkcm9ja0FQSUtleS[A-Za-z0-9+/]{80,250}={0,2}/,
    positive: `ABSKQmVkcm9ja0${'FQSUtleS'}${sample(100)}`,
    negative: `ABSKQmVkcm9ja0${'FQSUtleS'}${sample(40)}`,
  }),
  prefixed(['google_api_key', 'Google', ['googleapis.com', 'google.com']], 'AIza', {
    regex: /AIza[0-9A-Za-z_-]{35}/,
    positive: `AI${'za'}${sample(35)}`,
  }),
  prefixed(['google_oauth_access_token', 'Google', ['googleapis.com', 'google.com']], 'ya29.', {
    regex: /ya29\.[A-Za-z0-9_-]{50,2048}/,
    positive: `ya${'29.'}${sample(120)}`,
    negative: `ya${'29.'}${sample(30)}`,
  }),
  prefixed(['google_oauth_client_secret', 'Google', ['googleapis.com', 'google.com']], 'GOCSPX-', {
    regex: /GOCSPX-[A-Za-z0-9_-]{28}/,
    positive: `GOC${'SPX-'}${sample(28)}`,
  }),
  prefixed(['google_refresh_token', 'Google', ['googleapis.com', 'google.com']], '1//0', {
    regex: /1\/\/0[A-Za-z0-9_-]{60,200}/,
    positive: `1/${'/0'}${sample(100)}`,
    negative: `1/${'/0'}${sample(30)}`,
  }),
  prefixed(['azure_storage_key', 'Microsoft Azure', ['core.windows.net']], ['AccountKey='], {
    regex: /AccountKey=[A-Za-z0-9+/]{86}==/,
    positive: `Account${'Key='}${sample(86)}==`,
  }),
  prefixed(['azure_shared_access_key', 'Microsoft Azure', ['windows.net', 'azure-devices.net']], ['SharedAccessKey='], {
    regex: /SharedAccessKey=[A-Za-z0-9+/]{43}=/,
    positive: `SharedAccess${'Key='}${sample(43)}=`,
  }),
  prefixed(['azure_ai_key', 'Microsoft Azure', ['azure.com', 'microsoft.com']], ['JQQJ99'], {
    regex: /JQQJ99[A-Za-z0-9]{46}/,
    positive: `JQQ${'J99'}${sample(46)}`,
  }),
  pattern(
    ['azure_client_secret', 'Microsoft Entra', ['microsoftonline.com']],
    { kind: 'inner', literals: ['8Q~', '7Q~'], start: '', back: 3 },
    {
      regex: /(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])/,
      positive: `a7R8Q${'~'}${sample(34)}`,
    },
  ),
  prefixed(['digitalocean_token', 'DigitalOcean', ['digitalocean.com']], ['dop_v1_', 'doo_v1_', 'dor_v1_'], {
    regex: /do[por]_v1_[a-f0-9]{64}/,
    positive: `dop${'_v1_'}${sample(64, HEX)}`,
  }),
  prefixed(['databricks_token', 'Databricks', ['databricks.com', 'azuredatabricks.net']], 'dapi', {
    regex: /dapi[0-9a-f]{32}(?![0-9a-f])/,
    positive: `da${'pi'}${sample(32, HEX)}`,
  }),
  prefixed(['alibaba_access_key', 'Alibaba Cloud', ['aliyuncs.com']], 'LTAI', {
    regex: /(?<![A-Za-z0-9])LTAI[A-Za-z0-9]{20}(?![A-Za-z0-9])/,
    positive: `LT${'AI'}${sample(20)}`,
  }),
  pattern(
    ['tencent_secret_id', 'Tencent Cloud', ['tencentcloudapi.com', 'myqcloud.com']],
    { kind: 'run', least: 36, begins: 'AKID' },
    { regex: /AKID[A-Za-z0-9]{32}(?![A-Za-z0-9])/, positive: `AK${'ID'}${sample(32)}` },
  ),
  prefixed(['fly_token', 'Fly.io', ['fly.io', 'machines.dev']], ['fo1_', 'fm1_', 'fm2_'], {
    regex: /(?:fo1_[A-Za-z0-9_-]{43}|fm[12][ar]?_[A-Za-z0-9+/]{100,500})/,
    positive: `fo${'1_'}${sample(43)}`,
  }),
  prefixed(['heroku_key', 'Heroku', ['heroku.com']], 'HRKU-AA', {
    regex: /HRKU-AA[A-Za-z0-9_-]{58}/,
    positive: `HRKU${'-AA'}${sample(58)}`,
  }),
  prefixed(['vercel_token', 'Vercel', ['vercel.com']], ['vcp_', 'vck_', 'vci_'], {
    regex: /(?<![A-Za-z0-9])vc[pki]_[A-Za-z0-9]{56}/,
    positive: `vc${'p_'}${sample(56)}`,
  }),
  prefixed(['netlify_token', 'Netlify', ['netlify.com']], ['nfp_', 'nfo_', 'nfu_'], {
    regex: /(?<![A-Za-z0-9])nf[pou]_[A-Za-z0-9_]{36}/,
    positive: `nf${'p_'}${sample(36)}`,
  }),
  prefixed(['terraform_token', 'HashiCorp Terraform', ['terraform.io']], '.atlasv1.', {
    regex: /\.atlasv1\.[A-Za-z0-9_=-]{60,70}/,
    positive: `${sample(14)}.atlas${'v1.'}${sample(67)}`,
  }),
  prefixed(['vault_token', 'HashiCorp Vault', []], ['hvs.', 'hvb.', 'hvr.'], {
    regex: /hv[sbr]\.[A-Za-z0-9_-]{24,300}/,
    positive: `hv${'s.'}${sample(95)}`,
    negative: `hv${'s.'}${sample(12)}`,
  }),
  prefixed(['pulumi_token', 'Pulumi', ['pulumi.com']], 'pul-', {
    regex: /(?<![A-Za-z0-9])pul-[a-f0-9]{40}(?![a-f0-9])/,
    positive: `pu${'l-'}${sample(40, HEX)}`,
  }),
  prefixed(
    ['doppler_token', 'Doppler', ['doppler.com']],
    ['dp.pt.', 'dp.st.', 'dp.ct.', 'dp.sa.', 'dp.scim.', 'dp.audit.'],
    {
      regex: /dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}/,
      positive: `dp${'.pt.'}${sample(43)}`,
    },
  ),
  prefixed(['supabase_token', 'Supabase', ['supabase.com', 'supabase.co']], ['sbp_', 'sb_secret_'], {
    regex: /(?:sbp_(?:oauth_)?[a-f0-9]{40}|sb_secret_[A-Za-z0-9_-]{31})/,
    positive: `sb${'p_'}${sample(40, HEX)}`,
  }),
  prefixed(['planetscale_token', 'PlanetScale', ['planetscale.com']], ['pscale_tkn_', 'pscale_oauth_', 'pscale_pw_'], {
    regex: /pscale_(?:tkn|oauth|pw)_[A-Za-z0-9_.=-]{32,64}/,
    positive: `pscale${'_tkn_'}${sample(43)}`,
    negative: `pscale${'_tkn_'}${sample(12)}`,
  }),
  prefixed(['databricks_oauth_secret', 'Databricks', ['databricks.com', 'azuredatabricks.net']], 'dose', {
    regex: /(?<![A-Za-z0-9])dose[0-9a-f]{32}(?![0-9a-f])/,
    positive: `do${'se'}${sample(32, HEX)}`,
  }),
  prefixed(['cloudflare_ca_key', 'Cloudflare', ['cloudflare.com']], 'v1.0-', {
    regex: /v1\.0-[a-f0-9]{24}-[a-f0-9]{146}/,
    positive: `v1.${'0-'}${sample(24, HEX)}-${sample(146, HEX)}`,
  }),
  prefixed(['age_secret_key', 'age', []], 'AGE-SECRET-KEY-1', {
    regex: /AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}/,
    positive: `AGE-SECRET${'-KEY-1'}${sample(58, 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L')}`,
  }),
  prefixed(['onepassword_token', '1Password', ['1password.com']], ['ops_eyJ', 'A3-'], {
    regex:
      /(?:ops_eyJ[A-Za-z0-9+/_-]{250,2048}|(?<![A-Z0-9])A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5})/,
    positive: `A3${'-'}${sample(6, UPPER)}-${sample(6, UPPER)}-${sample(5, UPPER)}-${sample(5, UPPER)}-${sample(5, UPPER)}-${sample(5, UPPER)}`,
  }),
]
