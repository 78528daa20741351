/**
 * Keys that configurations for other versions of agentcage hold, and this one does not act on, stop the start:
 * passing over them would leave somebody with less protection than their file says.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configProblems } from './config-problems.ts'

const OTHERS: readonly string[] = [
  'agents: {decider: {enable: true}}',
  'capture: {enable_har: true}',
  'log_allowed: true',
  'nested_containers: true',
  'protocol_relays: []',
  'domains: {passthrough: [a.example]}',
  'domains: {allow: [a.example]}',
  'domains: {block: [a.example]}',
  'logging: {proxy_connections: true}',
  'ports: {udp: {allow: [53]}}',
  'ports: {tcp: {passthrough: [22]}}',
  'secret_injection: [{env: A, inject_to: ["*"], redact_to: [a.example]}]',
]

for (const text of OTHERS) {
  test(text, () => {
    const [problem, ...more] = configProblems(text)
    assert.deepEqual(more, [])
    assert.match(problem?.message ?? '', /^[\w.[\]]+ is not supported in this version: \S/)
    assert.equal(
      text.slice((problem?.column ?? 0) - 1).startsWith(/[^.]*$/.exec(problem?.path ?? '')?.[0] ?? '?'),
      true,
    )
  })
}
