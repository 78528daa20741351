import { REGISTRIES, type Scaffold } from './scaffold.ts'

/** Agents that work on a project in a terminal. They are installed on the host and come with their own login. */
export const CODING: readonly Scaffold[] = [
  {
    name: 'claude-code',
    brief: 'Claude Code, with ANTHROPIC_API_KEY',
    isolation: 'process',
    text: `isolation: process

domains:
  mode: allowlist
  list:
    - api.anthropic.com
${REGISTRIES}
# In the cage ANTHROPIC_API_KEY is a placeholder. Logging in by browser would put a live token into the cage: use a key.
secret_injection:
  - env: ANTHROPIC_API_KEY
    inject_to: [api.anthropic.com]

container:
  # Installed on the host, as by: npm install -g @anthropic-ai/claude-code
  command: [claude]
  env:
    # Updates and telemetry go to hosts that are not listed.
    DISABLE_AUTOUPDATER: "1"
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1"
`,
  },
  {
    name: 'codex',
    brief: 'Codex CLI, with OPENAI_API_KEY',
    isolation: 'process',
    text: `isolation: process

domains:
  mode: allowlist
  list:
    - api.openai.com
${REGISTRIES}
# In the cage OPENAI_API_KEY is a placeholder. ~/.codex is not mounted: it holds live tokens of a login by browser.
secret_injection:
  - env: OPENAI_API_KEY
    inject_to: [api.openai.com]

container:
  # Installed on the host, as by: npm install -g @openai/codex
  # The cage confines it already; a sandbox of its own cannot be made inside.
  command: [codex, --sandbox, danger-full-access]
`,
  },
  {
    name: 'gemini',
    brief: 'Gemini CLI, with GEMINI_API_KEY',
    isolation: 'process',
    text: `isolation: process

domains:
  mode: allowlist
  list:
    - generativelanguage.googleapis.com
${REGISTRIES}
# In the cage GEMINI_API_KEY is a placeholder.
secret_injection:
  - env: GEMINI_API_KEY
    inject_to: [generativelanguage.googleapis.com]

container:
  # Installed on the host, as by: npm install -g @google/gemini-cli
  command: [gemini]
  env:
    GEMINI_TELEMETRY_ENABLED: "false"
`,
  },
  {
    name: 'opencode',
    brief: 'OpenCode, with ANTHROPIC_API_KEY',
    isolation: 'process',
    text: `isolation: process

domains:
  mode: allowlist
  list:
    - api.anthropic.com
    # The list of models that it shows.
    - { host: models.dev, methods: [GET] }
${REGISTRIES}
# For another provider, another key and its host, here and above.
secret_injection:
  - env: ANTHROPIC_API_KEY
    inject_to: [api.anthropic.com]

container:
  # Installed on the host, as by: npm install -g opencode-ai
  command: [opencode]
  env:
    OPENCODE_DISABLE_AUTOUPDATE: "1"
`,
  },
]
