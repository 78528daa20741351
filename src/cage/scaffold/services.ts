import type { Scaffold } from './scaffold.ts'

/** Agents that run by themselves. */
export const SERVICES: readonly Scaffold[] = [
  {
    name: 'openclaw',
    brief: 'OpenClaw gateway in a container, as a service',
    isolation: 'container',
    text: `isolation: container

domains:
  mode: allowlist
  list:
    - api.anthropic.com

# In the cage ANTHROPIC_API_KEY is a placeholder: agentcage secret set NAME ANTHROPIC_API_KEY
secret_injection:
  - env: ANTHROPIC_API_KEY
    inject_to: [api.anthropic.com]

container:
  # Pin it by digest before you rely on it: ghcr.io/openclaw/openclaw@sha256:…
  image: ghcr.io/openclaw/openclaw:latest
  command: [node, openclaw.mjs, gateway, --allow-unconfigured, --bind, lan, --auth, password]
  # Its own state, kept when the cage is made anew.
  named_volumes:
    openclaw-state: /home/node/.openclaw:rw
  tmpfs:
    - /tmp
    - /home/node/.npm
    - /home/node/.cache
  # Reached through the egress, from this machine only.
  ports:
    - 127.0.0.1:18789:18789
  # What clients of the gateway log in with; it is meant to be in the cage: podman secret create OPENCLAW_GATEWAY_PASSWORD -
  podman_secrets:
    - OPENCLAW_GATEWAY_PASSWORD
  memory: 4g
  cpus: "2.0"
`,
  },
  {
    name: 'node-agent',
    brief: 'A program of your own under Node, agent.js in the project',
    isolation: 'process',
    text: `isolation: process

# Nothing is reachable that is not listed; subdomains of what is listed are.
domains:
  mode: allowlist
  list: []
  # list:
  #   - api.example.com
  #   - { host: files.example.com, methods: [GET] }

# What it may use without holding it. The variable holds a placeholder in the cage.
# secret_injection:
#   - env: EXAMPLE_API_KEY
#     inject_to: [api.example.com]

container:
  command: [node, agent.js]
  pids: 256
  # memory: 1g
`,
  },
]
