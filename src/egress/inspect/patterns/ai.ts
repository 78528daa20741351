import { HEX, pattern, prefixed, sample } from './build.ts'
import type { SecretPattern } from './pattern.ts'

/** Model and search providers. */
export const AI_PATTERNS: readonly SecretPattern[] = [
  pattern(
    ['openai_key', 'OpenAI', ['openai.com']],
    { kind: 'inner', literals: ['T3BlbkFJ'], start: 'sk-', back: 270 },
    {
      regex: /sk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,250}|[A-Za-z0-9]{20})T3BlbkFJ[A-Za-z0-9_-]{20,250}/,
      positive: `sk-${'proj-'}${sample(58)}${'T3Blbk'}${'FJ'}${sample(58)}`,
      negative: `sk-${'proj-'}${sample(120)}`,
    },
  ),
  prefixed(['anthropic_key', 'Anthropic', ['anthropic.com']], 'sk-ant-', {
    regex: /sk-ant-(?:api|admin|oat|ort)\d{1,4}-[A-Za-z0-9_-]{20,250}/,
    positive: `sk-${'ant-'}api03-${sample(93)}AA`,
    negative: `sk-${'ant-'}my-key-name`,
  }),
  prefixed(['openrouter_key', 'OpenRouter', ['openrouter.ai']], 'sk-or-v1-', {
    regex: /sk-or-v1-[a-f0-9]{64}/,
    positive: `sk-${'or-v1-'}${sample(64, HEX)}`,
  }),
  prefixed(['perplexity_key', 'Perplexity', ['perplexity.ai']], 'pplx-', {
    regex: /pplx-(?:[A-Za-z0-9]{48}|[a-f0-9]{64})/,
    positive: `pplx${'-'}${sample(48)}`,
  }),
  prefixed(['huggingface_token', 'Hugging Face', ['huggingface.co', 'hf.co']], ['hf_', 'api_org_'], {
    regex: /(?:hf_|api_org_)[A-Za-z]{34}(?![A-Za-z0-9])/,
    positive: `hf${'_'}${sample(34, 'aRkXqZtLmWcVbNfHjPdGsYeQuTioKx')}`,
  }),
  prefixed(['groq_key', 'Groq', ['groq.com']], 'gsk_', {
    regex: /gsk_[A-Za-z0-9]{52}/,
    positive: `gsk${'_'}${sample(52)}`,
  }),
  prefixed(['xai_key', 'xAI', ['x.ai']], 'xai-', {
    regex: /xai-[A-Za-z0-9]{70,90}/,
    positive: `xai${'-'}${sample(80)}`,
  }),
  prefixed(['replicate_token', 'Replicate', ['replicate.com']], 'r8_', {
    regex: /(?<![A-Za-z0-9])r8_[A-Za-z0-9]{37}(?![A-Za-z0-9])/,
    positive: `r8${'_'}${sample(37)}`,
  }),
  prefixed(['fireworks_key', 'Fireworks AI', ['fireworks.ai']], 'fw_', {
    regex: /(?<![A-Za-z0-9_])fw_[A-Za-z0-9]{22,24}(?![A-Za-z0-9_])/,
    positive: `fw${'_'}${sample(22)}`,
  }),
  prefixed(['nvidia_key', 'NVIDIA', ['nvidia.com']], 'nvapi-', {
    regex: /nvapi-[A-Za-z0-9_-]{60,70}/,
    positive: `nvapi${'-'}${sample(64)}`,
  }),
  prefixed(['pinecone_key', 'Pinecone', ['pinecone.io']], 'pcsk_', {
    regex: /pcsk_[A-Za-z0-9]{5,6}_[A-Za-z0-9]{60,70}/,
    positive: `pcsk${'_'}${sample(5)}_${sample(63)}`,
  }),
  prefixed(['langsmith_key', 'LangSmith', ['langchain.com']], ['lsv2_pt_', 'lsv2_sk_'], {
    regex: /lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}/,
    positive: `lsv2${'_pt_'}${sample(32, HEX)}_${sample(10, HEX)}`,
  }),
  prefixed(['langfuse_key', 'Langfuse', ['langfuse.com']], 'sk-lf-', {
    regex: /sk-lf-[a-f0-9]{8}-(?:[a-f0-9]{4}-){3}[a-f0-9]{12}/,
    positive: `sk-${'lf-'}3f9a0c7e-1b5d-4284-9f3a-0c7e1b5d2846`,
  }),
  prefixed(['tavily_key', 'Tavily', ['tavily.com']], 'tvly-', {
    regex: /tvly-(?:dev-|prod-)?[A-Za-z0-9]{32}/,
    positive: `tvly${'-'}${sample(32)}`,
  }),
  prefixed(['brave_api_key', 'Brave Search', ['search.brave.com']], 'BSAI', {
    regex: /(?<![A-Za-z0-9_-])BSAI[A-Za-z0-9_-]{27,28}(?![A-Za-z0-9_-])/,
    positive: `BSA${'I'}${sample(28)}`,
  }),
  prefixed(['firecrawl_key', 'Firecrawl', ['firecrawl.dev', 'api.firecrawl.dev']], 'fc-', {
    regex: /(?<![A-Za-z0-9])fc-[a-f0-9]{32}(?![A-Za-z0-9])/,
    positive: `fc${'-'}${sample(32, HEX)}`,
  }),
  prefixed(['elevenlabs_key', 'ElevenLabs', ['elevenlabs.io']], 'sk_', {
    regex: /(?<![A-Za-z0-9_])sk_[a-f0-9]{48}(?![A-Za-z0-9])/,
    positive: `sk${'_'}${sample(48, HEX)}`,
  }),
]
