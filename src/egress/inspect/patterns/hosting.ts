import { HEX, pattern, prefixed, sample } from './build.ts'
import { hasBase62Checksum } from './checksum.ts'
import type { SecretPattern } from './pattern.ts'

const GITHUB = ['github.com', 'githubusercontent.com'] as const

/** Source hosting, continuous integration, package registries. */
export const HOSTING_PATTERNS: readonly SecretPattern[] = [
  prefixed(['github_token', 'GitHub', GITHUB], ['ghp_', 'ghs_'], {
    regex: /gh(?:[ps]_[A-Za-z0-9]{36,255}|s_[0-9]{1,20}_eyJ[A-Za-z0-9_-]{20,2000}\.eyJ[A-Za-z0-9_-]{20,2000})/,
    positive: `gh${'p_'}${sample(36)}`,
    isProven: hasBase62Checksum,
  }),
  prefixed(['github_oauth_token', 'GitHub', GITHUB], ['gho_', 'ghu_', 'ghr_'], {
    regex: /gh[our]_[A-Za-z0-9]{36,255}/,
    positive: `gh${'o_'}${sample(36)}`,
    isProven: hasBase62Checksum,
  }),
  prefixed(['github_pat', 'GitHub', GITHUB], 'github_pat_', {
    regex: /github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}/,
    positive: `github${'_pat_'}${sample(22)}_${sample(59)}`,
  }),
  prefixed(
    ['gitlab_token', 'GitLab', ['gitlab.com']],
    ['glpat-', 'gldt-', 'glrt-', 'glptt-', 'gloas-', 'glsoat-', 'glcbt-', 'glft-', 'glimt-', 'glagent-', 'glffct-'],
    {
      regex: /gl(?:pat|dt|rt|ptt|oas|soat|cbt|ft|imt|agent|ffct)-[A-Za-z0-9_-]{20,255}/,
      positive: `gl${'pat-'}${sample(20)}`,
    },
  ),
  prefixed(
    ['bitbucket_token', 'Atlassian', ['bitbucket.org', 'atlassian.com', 'atlassian.net']],
    ['ATBB', 'ATCTT3xFfG'],
    {
      regex: /(?:(?<![A-Za-z0-9])ATBB[A-Za-z0-9]{32}(?![A-Za-z0-9])|ATCTT3xFfG[A-Za-z0-9_=-]{150,300})/,
      positive: `AT${'BB'}${sample(32)}`,
    },
  ),
  prefixed(['atlassian_token', 'Atlassian', ['atlassian.com', 'atlassian.net']], 'ATATT3xFfG', {
    regex: /ATATT3xFfG[A-Za-z0-9_=-]{150,300}/,
    positive: `ATATT3x${'FfG'}${sample(182)}`,
    negative: `ATATT3x${'FfG'}${sample(50)}`,
  }),
  prefixed(['npm_token', 'npm', ['npmjs.org', 'npmjs.com']], 'npm_', {
    regex: /npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])/,
    positive: `np${'m_'}${sample(36)}`,
    isProven: hasBase62Checksum,
  }),
  prefixed(['pypi_token', 'PyPI', ['pypi.org']], ['pypi-AgE'], {
    regex: /pypi-AgE[A-Za-z0-9_-]{50,1000}/,
    positive: `pypi${'-AgE'}${sample(150)}`,
    negative: `pypi${'-AgE'}${sample(20)}`,
  }),
  prefixed(['rubygems_token', 'RubyGems', ['rubygems.org']], 'rubygems_', {
    regex: /rubygems_[a-f0-9]{48}/,
    positive: `ruby${'gems_'}${sample(48, HEX)}`,
  }),
  pattern(
    ['cargo_token', 'crates.io', ['crates.io']],
    { kind: 'run', least: 35, begins: 'cio' },
    { regex: /cio[A-Za-z0-9]{32}(?![A-Za-z0-9_-])/, positive: `c${'io'}${sample(32)}` },
  ),
  prefixed(['nuget_key', 'NuGet', ['nuget.org']], 'oy2', {
    regex: /(?<![A-Za-z0-9])oy2[a-z0-9]{43}(?![A-Za-z0-9])/,
    positive: `oy${'2'}${sample(43, 'a7rk2xq9zt4lm8wc3vb6nf5hj1pdgsyequtiok')}`,
  }),
  prefixed(['clojars_token', 'Clojars', ['clojars.org']], 'CLOJARS_', {
    regex: /CLOJARS_[a-z0-9]{60}/,
    positive: `CLO${'JARS_'}${sample(60, HEX)}`,
  }),
  prefixed(['jfrog_token', 'JFrog', ['jfrog.io']], ['AKCp', 'cmVmdGtuOjAx'], {
    regex: /(?:(?<![A-Za-z0-9])AKCp[A-Za-z0-9]{69}(?![A-Za-z0-9])|cmVmdGtuOjAx[A-Za-z0-9]{52})/,
    positive: `AK${'Cp'}${sample(69)}`,
  }),
  prefixed(['dockerhub_token', 'Docker', ['docker.com', 'docker.io']], ['dckr_pat_', 'dckr_oat_'], {
    regex: /dckr_[po]at_[A-Za-z0-9_-]{27,32}/,
    positive: `dckr${'_pat_'}${sample(27)}`,
  }),
  prefixed(['circleci_token', 'CircleCI', ['circleci.com']], ['CCIPAT_', 'CCIPRJ_'], {
    regex: /CCIP(?:AT|RJ)_[A-Za-z0-9]{22}_[a-f0-9]{40}/,
    positive: `CCI${'PAT_'}${sample(22)}_${sample(40, HEX)}`,
  }),
  prefixed(['buildkite_token', 'Buildkite', ['buildkite.com']], ['bkua_', 'bkct_'], {
    regex: /bk(?:ua|ct)_[a-z0-9]{40}/,
    positive: `bk${'ua_'}${sample(40, HEX)}`,
  }),
  prefixed(['sonar_token', 'Sonar', ['sonarcloud.io']], ['squ_', 'sqp_', 'sqa_'], {
    regex: /(?<![A-Za-z0-9])sq[upa]_[a-f0-9]{40}(?![a-f0-9])/,
    positive: `sq${'u_'}${sample(40, HEX)}`,
  }),
  prefixed(['sourcegraph_token', 'Sourcegraph', ['sourcegraph.com']], 'sgp_', {
    regex: /sgp_(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}/,
    positive: `sg${'p_'}${sample(40, HEX)}`,
  }),
  prefixed(['postman_key', 'Postman', ['getpostman.com', 'postman.com']], 'PMAK-', {
    regex: /PMAK-[a-f0-9]{24}-[a-f0-9]{34}/,
    positive: `PM${'AK-'}${sample(24, HEX)}-${sample(34, HEX)}`,
  }),
  prefixed(['sentry_token', 'Sentry', ['sentry.io']], ['sntrys_', 'sntryu_'], {
    regex: /(?:sntryu_[a-f0-9]{64}|sntrys_eyJ[A-Za-z0-9+/=_]{60,500})/,
    positive: `sntr${'yu_'}${sample(64, HEX)}`,
  }),
  prefixed(['grafana_token', 'Grafana', ['grafana.net', 'grafana.com']], ['glsa_', 'glc_eyJ'], {
    regex: /(?:glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_eyJ[A-Za-z0-9+/=]{32,400})/,
    positive: `gl${'sa_'}${sample(32)}_${sample(8, HEX)}`,
  }),
  prefixed(['newrelic_key', 'New Relic', ['newrelic.com', 'nr-data.net']], ['NRAK-', 'NRII-', 'NRJS-', 'NRAL-'], {
    regex: /NR(?:AK-[A-Z0-9]{27}|II-[A-Za-z0-9-]{32})/,
    positive: `NR${'AK-'}${sample(27, 'Q7X2M4ZKRPVTWNBHJ')}`,
  }),
  prefixed(['dynatrace_token', 'Dynatrace', ['dynatrace.com']], ['dt0c01.', 'dt0s01.', 'dt0s16.'], {
    regex: /dt0[cs](?:01|16)\.[A-Z0-9]{24}\.[A-Z0-9]{64}/,
    positive: `dt0${'c01.'}${sample(24, 'Q7X2M4ZKRPVTWNBHJ')}.${sample(64, 'Q7X2M4ZKRPVTWNBHJ')}`,
  }),
  prefixed(['linear_key', 'Linear', ['linear.app']], ['lin_api_', 'lin_oauth_'], {
    regex: /lin_(?:api_[A-Za-z0-9]{40}|oauth_[a-f0-9]{64})/,
    positive: `lin${'_api_'}${sample(40)}`,
  }),
  prefixed(['notion_token', 'Notion', ['notion.com', 'notion.so']], ['ntn_', 'secret_'], {
    regex: /(?:ntn_[0-9]{11}[A-Za-z0-9]{35}|(?<![A-Za-z0-9_])secret_[A-Za-z0-9]{43}(?![A-Za-z0-9]))/,
    positive: `nt${'n_'}${sample(11, '7304918265')}${sample(35)}`,
  }),
  prefixed(['figma_token', 'Figma', ['figma.com']], ['figd_', 'figu_', 'figo_'], {
    regex: /fig[duo]_[A-Za-z0-9_-]{40,60}/,
    positive: `fig${'d_'}${sample(40)}`,
  }),
  prefixed(['contentful_token', 'Contentful', ['contentful.com']], 'CFPAT-', {
    regex: /CFPAT-[A-Za-z0-9_-]{43}/,
    positive: `CF${'PAT-'}${sample(43)}`,
  }),
]
