/**
 * `npm run demo`: an agent in a cage, on a small internet that this process plays, and then all it could try to get out.
 * Every line is asserted: exits with 0 if each of them holds, else with 1, naming those that do not.
 */
import { randomBytes } from 'node:crypto'
import { DemoInternet } from './demo/internet.ts'
import { play } from './demo/play.ts'
import { meetRequirements } from './demo/requirements.ts'
import { Screen } from './demo/screen.ts'
import { Stage } from './demo/stage.ts'

const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort())
process.stdout.on('error', () => interruption.abort()) // Whoever read this has gone.

process.exitCode = await demo(new Screen(), interruption.signal)

async function demo(screen: Screen, signal: AbortSignal): Promise<number> {
  const obstacle = meetRequirements((line) => screen.text(line))
  if (obstacle !== undefined) {
    process.stderr.write(`${obstacle}\n`)
    return 1
  }
  await using internet = await DemoInternet.start()
  await using stage = await Stage.build(internet, `sk-ant-demo-${randomBytes(24).toString('base64url')}`)
  try {
    return await play({ stage, internet, screen, signal })
  } catch (error) {
    if (signal.aborted) return 130
    throw error
  }
}
