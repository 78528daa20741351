/** Address and port that Podman could not publish because another program has them, of what it said; undefined when it was not that. */
export function takenPort(lines: readonly string[]): string | undefined {
  return lines.map((line) => /listen \w+ (\S+:\d+): bind: address already in use/.exec(line)?.[1]).find(Boolean)
}
