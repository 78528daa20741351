/** An entry of an archive as ustar has it. `type`: its letter; `raw`: what replaces the header's bytes. */
export interface TarMember {
  readonly path: string
  readonly type?: string
  readonly content?: Buffer | string
  readonly target?: string
  readonly mode?: number
}

/** An archive with two empty blocks at its end. */
export function tar(members: readonly TarMember[]): Buffer {
  return Buffer.concat([...members.map(member), Buffer.alloc(1024)])
}

function member({ path, type = '0', content = '', target = '', mode = 0o644 }: TarMember): Buffer {
  const bytes = Buffer.from(content)
  const head = Buffer.alloc(512)
  head.write(path, 0, 100)
  head.write(`${mode.toString(8).padStart(7, '0')}\0`, 100)
  head.write('0000000\0'.repeat(2), 108)
  head.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124)
  head.write('00000000000\0', 136)
  head.write(' '.repeat(8), 148)
  head.write(type, 156)
  head.write(target, 157, 100)
  head.write('ustar\x0000', 257, 'latin1')
  head.write(
    `${head
      .reduce((sum, byte) => sum + byte)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  return Buffer.concat([head, bytes, Buffer.alloc(-bytes.length & 511)])
}
