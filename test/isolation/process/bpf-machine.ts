/** An interpreter of classic BPF as the kernel runs it for seccomp, strict about what its checker would refuse. */

export interface SyscallData {
  readonly number: number
  readonly architecture: number
  /** 64 bits each, unsigned. Missing ones are 0. */
  readonly arguments?: readonly bigint[]
}

/** What the program returns for the call. Throws when the program is one that the kernel refuses. */
export function interpret(program: Buffer, call: SyscallData): number {
  const data = layOut(call)
  let accumulator = 0
  for (let at = 0; at < program.length / 8;) {
    const code = program.readUInt16LE(at * 8)
    const [jt, jf, k] = [program.readUInt8(at * 8 + 2), program.readUInt8(at * 8 + 3), program.readUInt32LE(at * 8 + 4)]
    const branch = (holds: boolean): number => at + 1 + (holds ? jt : jf)
    if (code === 0x06) return k
    if (code === 0x20) [accumulator, at] = [load(data, k), at + 1]
    else if (code === 0x54) [accumulator, at] = [(accumulator & k) >>> 0, at + 1]
    else if (code === 0x05) at = at + 1 + k
    else if (code === 0x15) at = branch(accumulator === k)
    else if (code === 0x25) at = branch(accumulator > k)
    else if (code === 0x35) at = branch(accumulator >= k)
    else if (code === 0x45) at = branch((accumulator & k) !== 0)
    else throw new Error(`instruction ${at}: unknown code ${code.toString(16)}`)
  }
  throw new Error('the program runs off its end')
}

function load(data: Buffer, offset: number): number {
  if (offset % 4 !== 0 || offset + 4 > data.length) throw new Error(`load from ${offset}`)
  return data.readUInt32LE(offset)
}

function layOut({ number, architecture, arguments: values = [] }: SyscallData): Buffer {
  const data = Buffer.alloc(64)
  data.writeUInt32LE(number >>> 0, 0)
  data.writeUInt32LE(architecture >>> 0, 4)
  for (const [index, value] of values.entries()) data.writeBigUInt64LE(value, 16 + 8 * index)
  return data
}
