/**
 * A small assembler for classic BPF as seccomp(2) takes it: struct sock_filter {u16 code; u8 jt, jf; u32 k}.
 * Facts from linux/bpf_common.h, linux/filter.h and linux/seccomp.h.
 */

/** One step of a program. A missing jump target means the next step. */
export type Step =
  | { readonly op: 'load'; readonly offset: number }
  | { readonly op: 'and'; readonly mask: number }
  | {
      readonly op: 'jump'
      readonly when: Comparison
      readonly value: number
      readonly yes?: string | undefined
      readonly no?: string | undefined
    }
  | { readonly op: 'return'; readonly value: number }
  | { readonly op: 'label'; readonly name: string }

/** Of the accumulator with the value, unsigned; `set`: any bit of the value is set. */
export type Comparison = 'eq' | 'gt' | 'ge' | 'set'

const BPF_LD_W_ABS = 0x20
const BPF_ALU_AND_K = 0x54
const BPF_RET_K = 0x06
const BPF_JMP_JA = 0x05
const BPF_JMP_K: Readonly<Record<Comparison, number>> = { eq: 0x15, gt: 0x25, ge: 0x35, set: 0x45 }

/** BPF_MAXINSNS: the kernel refuses a longer program. */
const LONGEST_PROGRAM = 4096
/** Conditional jumps hold their distance in a byte. */
const LONGEST_JUMP = 255

/**
 * The program's bytes, little endian (x86_64 and aarch64 both are). Jumps only go forward, as the kernel demands;
 * one that is too far for its byte goes by way of an unconditional jump, which has 32 bits.
 */
export function assemble(steps: readonly Step[]): Buffer {
  const layout = place(steps)
  const instructions = layout.steps.flatMap((placed) => encode(placed, layout))
  if (instructions.length > LONGEST_PROGRAM)
    throw new RangeError(`a BPF program of ${instructions.length} instructions`)
  return Buffer.concat(instructions)
}

type Instruction = Exclude<Step, { op: 'label' }>
type Jump = Extract<Step, { op: 'jump' }>

interface Placed {
  readonly step: Instruction
  readonly at: number
}

interface Layout {
  readonly steps: readonly Placed[]
  readonly labels: ReadonlyMap<string, number>
  readonly long: ReadonlySet<Instruction>
}

/** Gives every step its index. A jump that turns out too long takes two more instructions, which moves what follows. */
function place(steps: readonly Step[]): Layout {
  let long: ReadonlySet<Instruction> = new Set()
  for (;;) {
    const layout = layOut(steps, long)
    const tooLong = layout.steps.filter(
      ({ step, at }) => step.op === 'jump' && !long.has(step) && reach(step, at, layout) > LONGEST_JUMP,
    )
    if (tooLong.length === 0) return layout
    long = new Set([...long, ...tooLong.map(({ step }) => step)])
  }
}

function layOut(steps: readonly Step[], long: ReadonlySet<Instruction>): Layout {
  const labels = new Map<string, number>()
  const placed: Placed[] = []
  let at = 0
  for (const step of steps) {
    if (step.op === 'label') {
      if (labels.has(step.name)) throw new Error(`the label ${step.name} stands twice`)
      labels.set(step.name, at)
      continue
    }
    placed.push({ step, at })
    at += long.has(step) ? 3 : 1
  }
  return { steps: placed, labels, long }
}

function reach(jump: Jump, at: number, layout: Layout): number {
  return Math.max(distance(jump.yes, at + 1, layout), distance(jump.no, at + 1, layout))
}

/** From the instruction at `from` to the label. */
function distance(label: string | undefined, from: number, { labels }: Layout): number {
  if (label === undefined) return 0
  const target = labels.get(label)
  if (target === undefined || target < from) throw new Error(`the label ${label} does not follow its jump`)
  return target - from
}

function encode({ step, at }: Placed, layout: Layout): readonly Buffer[] {
  switch (step.op) {
    case 'load':
      return [instruction(BPF_LD_W_ABS, 0, 0, step.offset)]
    case 'and':
      return [instruction(BPF_ALU_AND_K, 0, 0, step.mask)]
    case 'return':
      return [instruction(BPF_RET_K, 0, 0, step.value)]
    case 'jump':
      return encodeJump(step, at, layout)
  }
}

function encodeJump(jump: Jump, at: number, layout: Layout): readonly Buffer[] {
  const code = BPF_JMP_K[jump.when]
  if (!layout.long.has(jump)) {
    return [instruction(code, distance(jump.yes, at + 1, layout), distance(jump.no, at + 1, layout), jump.value)]
  }
  return [
    instruction(code, 0, 1, jump.value),
    instruction(BPF_JMP_JA, 0, 0, jump.yes === undefined ? 1 : distance(jump.yes, at + 2, layout)),
    instruction(BPF_JMP_JA, 0, 0, distance(jump.no, at + 3, layout)),
  ]
}

function instruction(code: number, jt: number, jf: number, k: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16LE(code, 0)
  bytes.writeUInt8(jt, 2)
  bytes.writeUInt8(jf, 3)
  bytes.writeUInt32LE(k >>> 0, 4)
  return bytes
}
