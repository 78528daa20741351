/** The table of inspectors is what the egress asks, in its order, and every code in it exists. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BUILT_IN_INSPECTORS, type BuiltInInspector } from '../../../src/config/inspectors.ts'
import { configSchema } from '../../../src/config/schema.ts'
import { DENIALS } from '../../../src/egress/denial.ts'
import { makeRuling } from '../../../src/egress/ruling.ts'

const TABLE: readonly BuiltInInspector[] = Object.values(BUILT_IN_INSPECTORS)

test('with everything switched on, the table is the chain', async () => {
  const config = configSchema.parse({ budget: { bytes_per_hour: 1 } })
  const { ruling } = await makeRuling(config, [], () => new Date())
  assert.deepEqual(ruling.chain.names, Object.keys(BUILT_IN_INSPECTORS))
})

test('sections and codes exist', () => {
  for (const { section, codes } of TABLE) {
    assert.ok(Object.hasOwn(configSchema.shape, section), section)
    for (const code of codes) assert.ok(Object.hasOwn(DENIALS, code), code)
  }
})
