import type { Io } from '../io.ts'
import type { Shell } from '../routes/completions.ts'

/** `agentcage completions SHELL`: the scripts ask `agentcage __complete`, so that they never go out of date. */
export async function completions(_flags: object, [shell]: readonly [Shell], io: Io): Promise<number> {
  io.stdout.write(SCRIPTS[shell])
  return 0
}

/** Where there is no proposal, files are completed. */
const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `_agentcage() {
  local proposal
  COMPREPLY=()
  while IFS=$'\\t' read -r proposal _; do
    COMPREPLY+=("$proposal")
  done < <(agentcage __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _agentcage agentcage
`,
  zsh: `#compdef agentcage
_agentcage() {
  local -a proposals
  local name meaning
  while IFS=$'\\t' read -r name meaning; do
    proposals+=("$name:$meaning")
  done < <(agentcage __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#proposals} )); then _describe agentcage proposals; else _files; fi
}
compdef _agentcage agentcage
`,
  fish: `function __agentcage_complete
  set -l proposals (agentcage __complete (commandline -opc)[2..] "$(commandline -ct)" 2>/dev/null)
  if set -q proposals[1]
    printf '%s\\n' $proposals
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c agentcage -f -a '(__agentcage_complete)'
`,
}
