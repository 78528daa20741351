/** Agents that a scaffold is there for; here, apart from them, since every start reads it. */
export const SCAFFOLD_NAMES = ['claude-code', 'codex', 'gemini', 'opencode', 'openclaw', 'node-agent'] as const
