/**
 * What was made for one request alone is taken out of its response with the values of the set, in every part of it,
 * however the body is cut, and of no other response.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Placeholder } from '../../../src/secrets/placeholders.ts'
import { redactorWith } from '../../../src/egress/secrets/response-redactor.ts'
import { SecretSet } from '../../../src/egress/secrets/secret-set.ts'
import { Secret } from '../../../src/secrets/secret.ts'
import { binding, PLACEHOLDER, split } from './example.ts'

const VALUE = 'sk-live-value-0123456789'
const SIGNATURE = '5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7'
const DECOY = 'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500'
const secrets = new SecretSet([binding({ value: VALUE })])
const made = { name: 'AWS', value: new Secret('AWS', SIGNATURE), placeholder: DECOY as Placeholder, injectTo: [] }
const redactor = redactorWith(secrets, [made])

test('heads', () => {
  const fields = ['X-Echo', `${VALUE} ${SIGNATURE}`, 'Location', `/?X-Amz-Signature=${SIGNATURE}`]
  assert.deepEqual(redactor.redactHeaders(fields), {
    headers: ['X-Echo', `${PLACEHOLDER} ${DECOY}`, 'Location', `/?X-Amz-Signature=${DECOY}`],
    redacted: ['API_KEY', 'AWS'],
  })
  assert.equal(redactor.redactText(`no ${SIGNATURE} ${VALUE}`), `no ${DECOY} ${PLACEHOLDER}`)
})

test('property: bodies, however they are cut, whole ones too', () => {
  const piece = fc.constantFrom(VALUE, SIGNATURE, SIGNATURE.slice(0, 30), VALUE.slice(0, 9), ' ', '\n', 'text', '%')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 9 }), fc.array(fc.nat(), { maxLength: 6 }), (pieces, cuts) => {
      const body = Buffer.from(pieces.join(''))
      const text = String(body)
      const stream = redactor.bodyRedactor({ pauses: false })
      const out = String(Buffer.concat([...split(body, cuts).map((chunk) => stream.push(chunk)), stream.end()]))
      assert.equal(out, String(redactor.bodyRedactor().whole(body)))
      assert.ok(!out.includes(SIGNATURE) && !out.includes(VALUE))
      assert.deepEqual([...stream.redacted].toSorted(), [
        ...(text.includes(VALUE) ? ['API_KEY'] : []),
        ...(text.includes(SIGNATURE) ? ['AWS'] : []),
      ])
    }),
    { numRuns: 300 },
  )
})

test('of another response it is not', () => {
  assert.equal(redactorWith(secrets), secrets)
  assert.equal(secrets.redactText(SIGNATURE), SIGNATURE)
})
