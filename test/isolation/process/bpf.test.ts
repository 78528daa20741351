/*
 * The BPF assembler: labels become forward offsets, jumps that do not fit their byte take the long way, and a program
 * that would jump backwards, to nowhere, or is too long for the kernel is refused.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { assemble, type Step } from '../../../src/isolation/process/bpf.ts'
import { interpret } from './bpf-machine.ts'

const call = (number: number): Parameters<typeof interpret>[1] => ({ number, architecture: 0 })
const LOAD: Step = { op: 'load', offset: 0 }

function ladder(rungs: number): readonly Step[] {
  const jumps = Array.from({ length: rungs }, (_, index): Step => ({
    op: 'jump',
    when: 'eq',
    value: index,
    yes: `answer ${index}`,
  }))
  const answers = Array.from({ length: rungs }, (_, index): readonly Step[] => [
    { op: 'label', name: `answer ${index}` },
    { op: 'return', value: 1000 + index },
  ])
  return [LOAD, ...jumps, { op: 'return', value: 7 }, ...answers.flat()]
}

test('every rung of a ladder of jumps finds its answer, however far it is', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 900 }), fc.nat({ max: 1000 }), (rungs, number) => {
      assert.equal(interpret(assemble(ladder(rungs)), call(number)), number < rungs ? 1000 + number : 7)
    }),
    { numRuns: 60 },
  )
})

test('a far jump keeps both of its ways', () => {
  const filler = Array.from({ length: 300 }, (): Step => LOAD)
  for (const [yes, no] of [
    ['yes', 'no'],
    ['yes', undefined],
    [undefined, 'no'],
  ] as const) {
    const program = assemble([
      LOAD,
      { op: 'jump', when: 'gt', value: 10, yes, no },
      ...(yes === undefined || no === undefined ? [{ op: 'return', value: 3 } as const] : []),
      ...filler,
      { op: 'label', name: 'yes' },
      { op: 'return', value: 1 },
      { op: 'label', name: 'no' },
      { op: 'return', value: 2 },
    ])
    assert.equal(interpret(program, call(11)), yes === undefined ? 3 : 1)
    assert.equal(interpret(program, call(10)), no === undefined ? 3 : 2)
  }
})

test('the bytes are struct sock_filter, little endian', () => {
  const program = assemble([
    LOAD,
    { op: 'jump', when: 'eq', value: 0x0102_0304, no: 'end' },
    { op: 'and', mask: 0xffff_fff0 },
    { op: 'label', name: 'end' },
    { op: 'return', value: 0x8000_0000 },
  ])
  assert.equal(
    program.toString('hex'),
    ['2000000000000000', '1500000104030201', '54000000f0ffffff', '0600000000000080'].join(''),
  )
})

test('programs that the kernel would refuse are refused', () => {
  const end: Step = { op: 'return', value: 0 }
  assert.throws(() => assemble([{ op: 'jump', when: 'eq', value: 1, yes: 'nowhere' }, end]), /nowhere/)
  assert.throws(
    () => assemble([{ op: 'label', name: 'back' }, LOAD, { op: 'jump', when: 'eq', value: 1, yes: 'back' }, end]),
    /back/,
  )
  assert.throws(() => assemble([{ op: 'label', name: 'twice' }, { op: 'label', name: 'twice' }, end]), /twice/)
  assert.throws(() => assemble([...Array.from({ length: 4096 }, () => LOAD), end]), RangeError)
})
