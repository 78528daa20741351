import { parseHostname, type Hostname } from '../policy/host.ts'

/** Where well-known credentials belong, so that `run -s NAME` needs no configuration. */
const HOSTS: Readonly<Record<string, readonly string[]>> = {
  ANTHROPIC_API_KEY: ['api.anthropic.com'],
  ANTHROPIC_AUTH_TOKEN: ['api.anthropic.com'],
  CLAUDE_CODE_OAUTH_TOKEN: ['api.anthropic.com'],
  COHERE_API_KEY: ['api.cohere.com', 'api.cohere.ai'],
  DEEPSEEK_API_KEY: ['api.deepseek.com'],
  GEMINI_API_KEY: ['generativelanguage.googleapis.com'],
  GH_TOKEN: ['github.com', 'api.github.com'],
  GITHUB_TOKEN: ['github.com', 'api.github.com'],
  GITLAB_TOKEN: ['gitlab.com'],
  GOOGLE_API_KEY: ['generativelanguage.googleapis.com'],
  GROQ_API_KEY: ['api.groq.com'],
  HF_TOKEN: ['huggingface.co'],
  MISTRAL_API_KEY: ['api.mistral.ai'],
  NPM_TOKEN: ['registry.npmjs.org'],
  OPENAI_API_KEY: ['api.openai.com'],
  OPENROUTER_API_KEY: ['openrouter.ai'],
  PERPLEXITY_API_KEY: ['api.perplexity.ai'],
  XAI_API_KEY: ['api.x.ai'],
}

/** The hosts that a credential of this name is for, or undefined when it is not a well-known one. */
export function knownHosts(name: string): readonly Hostname[] | undefined {
  if (!Object.hasOwn(HOSTS, name)) return undefined
  return HOSTS[name]?.map((text) => parseHostname(text) as Hostname)
}
