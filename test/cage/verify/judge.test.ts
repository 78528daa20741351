/**
 * How probes are judged: a way out is a failure, and so is whatever could not be tried. Only what the kernel or the egress
 * itself says shows that there is none.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  connectionIsShut,
  dnsLeadsNowhere,
  filesAreNone,
  hasNoCapabilities,
  hostIsDenied,
  hostIsReached,
  isUnprivileged,
  kernelIsItsOwn,
  pathIsUnreadable,
  rootIsLayered,
  rootIsReadOnly,
  variableIsSet,
  type Judge,
  type Judgement,
} from '../../../src/cage/verify/judge.ts'
import type { Outcome } from '../../../src/cage/verify/operation.ts'

const DENIED = 'HTTP/1.1 403 Forbidden\r\n\r\n{"blocked": true, "reason": "r", "host": "h", "by": "agentcage"}'
const UNREACHABLE = 'HTTP/1.1 502 Bad Gateway\r\n\r\n{"blocked":false,"reason":"r","host":"h","by":"agentcage"}'
const FOREIGN = 'HTTP/1.1 301 Moved\r\nServer: cloudflare\r\n\r\n'

const answer = (code: number, answers: number, address: readonly number[]): string =>
  Buffer.from([0x2a, 0x2a, 0x81, code, 0, 1, 0, answers, 0, 0, 0, 0, ...address]).toString('base64')

const status = (fields: Readonly<Record<string, string>>): string =>
  Object.entries({
    Uid: '1000\t1000',
    CapInh: '0',
    CapPrm: '0',
    CapEff: '0',
    CapBnd: '0',
    CapAmb: '0',
    NoNewPrivs: '1',
    ...fields,
  })
    .map(([name, value]) => `${name}:\t${value}\n`)
    .join('')

const MACHINE_ROOT =
  '1 0 0:1 / / rw - overlay overlay rw,lowerdir=/lower,upperdir=/scratch/upper,workdir=/scratch/work\n2 1 0:2 / /tmp rw - 9p live rw\n'
const BOOTS = ['0b8a4f0e-1c2d-4e3f-8a9b-0c1d2e3f4a5b', '5b4a3f2e-1d0c-4b9a-8f3e-2d1c0e4f8a0b'] as const

const cases: readonly (readonly [judge: Judge, outcome: Partial<Outcome>, expected: Judgement['status']])[] = [
  [hostIsReached('a.test'), { data: 'HTTP/1.1 200 OK\r\n\r\n' }, 'pass'],
  [hostIsReached('a.test'), { data: FOREIGN }, 'pass'],
  [hostIsReached('a.test'), { data: UNREACHABLE }, 'warn'],
  [hostIsReached('a.test'), { data: DENIED }, 'fail'],
  [hostIsReached('a.test'), { data: '' }, 'fail'],
  [hostIsReached('a.test'), { ok: false, error: 'ECONNREFUSED' }, 'fail'],
  [hostIsDenied('a.test'), { data: DENIED }, 'pass'],
  [hostIsDenied('a.test'), { data: DENIED.replaceAll('": ', '":').replaceAll(', ', ',') }, 'pass'],
  [hostIsDenied('a.test'), { data: UNREACHABLE }, 'fail'],
  [hostIsDenied('a.test'), { data: 'HTTP/1.1 403 Forbidden\r\n\r\nby the server itself' }, 'fail'],
  [hostIsDenied('a.test'), { data: '' }, 'fail'],
  [hostIsDenied('a.test'), { ok: false, error: 'ENOENT' }, 'fail'],
  [connectionIsShut('x'), { ok: false, error: 'ECONNREFUSED' }, 'pass'],
  [connectionIsShut('x'), { ok: false, error: 'ENETUNREACH' }, 'pass'],
  [connectionIsShut('x'), { data: DENIED }, 'pass'],
  [connectionIsShut('x'), { data: '' }, 'pass'],
  [connectionIsShut('x'), { data: FOREIGN }, 'fail'],
  [connectionIsShut('x'), { data: UNREACHABLE }, 'fail'],
  [connectionIsShut('x'), { ok: false, error: 'socket is not defined' }, 'fail'],
  [connectionIsShut('x'), { ok: false, error: 'EMFILE' }, 'fail'],
  [dnsLeadsNowhere('r'), { data: answer(0, 1, [198, 51, 100, 1]) }, 'pass'],
  [dnsLeadsNowhere('r'), { data: answer(5, 0, []) }, 'pass'],
  [dnsLeadsNowhere('r'), { ok: false, error: 'timeout' }, 'pass'],
  [dnsLeadsNowhere('r'), { data: answer(3, 0, []) }, 'fail'],
  [dnsLeadsNowhere('r'), { data: answer(0, 1, [93, 184, 216, 34]) }, 'fail'],
  [dnsLeadsNowhere('r'), { data: Buffer.from('x').toString('base64') }, 'fail'],
  [dnsLeadsNowhere('r'), { ok: false, error: 'ReferenceError' }, 'fail'],
  [pathIsUnreadable('k'), { ok: false, error: 'ENOENT' }, 'pass'],
  [pathIsUnreadable('k'), { data: '-----BEGIN' }, 'fail'],
  [pathIsUnreadable('k'), { data: '' }, 'fail'],
  [pathIsUnreadable('k'), { ok: false, error: 'EIO' }, 'fail'],
  [filesAreNone('none'), { data: '' }, 'pass'],
  [filesAreNone('none'), { data: '/certs/key.pem' }, 'fail'],
  [filesAreNone('none'), { ok: false, error: 'EIO' }, 'fail'],
  [variableIsSet('A'), { data: 'A' }, 'pass'],
  [variableIsSet('A'), { data: '' }, 'fail'],
  [rootIsReadOnly, { data: '1 0 0:1 / / ro,nosuid - tmpfs tmpfs rw\n2 1 0:2 / /tmp rw - tmpfs tmpfs rw\n' }, 'pass'],
  [rootIsReadOnly, { data: '1 0 0:1 / / ro - a b ro\n2 0 0:1 / / rw - a b rw\n' }, 'fail'],
  [rootIsReadOnly, { data: '1 0 0:1 / / rw,relatime - overlay overlay ro\n' }, 'fail'],
  [rootIsReadOnly, { data: '' }, 'fail'],
  [rootIsReadOnly, { ok: false, error: 'EACCES' }, 'fail'],
  [rootIsLayered, { data: MACHINE_ROOT }, 'pass'],
  [rootIsLayered, { data: MACHINE_ROOT.replace('upperdir=/scratch', 'upperdir=/lower') }, 'fail'],
  [rootIsLayered, { data: `${MACHINE_ROOT}9 1 0:9 / / ro - 9p system ro\n` }, 'fail'],
  [rootIsLayered, { data: '' }, 'fail'],
  [rootIsLayered, { ok: false, error: 'EACCES' }, 'fail'],
  [kernelIsItsOwn(BOOTS[0]), { data: `${BOOTS[1]}\n` }, 'pass'],
  [kernelIsItsOwn(BOOTS[0]), { data: `${BOOTS[0]}\n` }, 'fail'],
  [kernelIsItsOwn(BOOTS[0]), { data: '' }, 'fail'],
  [kernelIsItsOwn(BOOTS[0]), { data: 'another\n' }, 'fail'],
  [kernelIsItsOwn(''), { data: `${BOOTS[1]}\n` }, 'fail'],
  [kernelIsItsOwn(BOOTS[0]), { ok: false, data: BOOTS[1], error: 'EIO' }, 'fail'],
  [hasNoCapabilities, { data: status({}) }, 'pass'],
  [hasNoCapabilities, { data: status({ CapBnd: '00000000a80425fb' }) }, 'fail'],
  [hasNoCapabilities, { data: status({ NoNewPrivs: '0' }) }, 'fail'],
  [hasNoCapabilities, { data: '' }, 'fail'],
  [isUnprivileged('x'), { data: status({}) }, 'pass'],
  [isUnprivileged('x'), { data: status({ Uid: '0\t0' }) }, 'warn'],
  [isUnprivileged('x'), { data: '' }, 'fail'],
]

describe('judging', () => {
  for (const [index, [judge, partial, expected]] of cases.entries()) {
    const outcome: Outcome = { id: 'x', ok: true, data: '', error: '', ...partial }
    test(`${index}: ${JSON.stringify(partial).slice(0, 90)} is a ${expected}`, () => {
      const judgement = judge(outcome)
      assert.equal(judgement.status, expected, judgement.text)
    })
  }
})
