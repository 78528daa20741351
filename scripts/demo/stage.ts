import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { parseDocument } from 'yaml'
import { KEY_FILE } from '../../src/egress/tls/authority-store.ts'
import { cageAudit, cageState } from '../../src/system/paths.ts'
import type { DemoInternet } from './internet.ts'

const EXAMPLE = join(import.meta.dirname, '../../examples/basic')
const PROBES = join(import.meta.dirname, 'probes')

/** The name in the example's configuration. */
export const CAGE = 'basic'

/**
 * A person's home with all that the demo touches, in a temporary folder that goes when it is disposed of: the example as
 * a project under git, keys to steal, and agentcage's state.
 */
export class Stage implements AsyncDisposable {
  /** The real key: nothing of it may be seen in the cage, nor in anything that comes out of it. */
  readonly key: string
  readonly home: string
  readonly project: string

  static async build(internet: DemoInternet, key: string): Promise<Stage> {
    const stage = new Stage(await mkdtemp(join(await realpath(tmpdir()), 'agentcage-demo-')), key)
    await cp(EXAMPLE, stage.project, { recursive: true })
    await cp(PROBES, join(stage.project, 'probes'), { recursive: true })
    await writeFile(join(stage.project, 'leaked.txt'), key)
    await mkdir(join(stage.project, '.git/hooks'), { recursive: true })
    await writeFile(join(stage.project, '.git/HEAD'), 'ref: refs/heads/main\n')
    await mkdir(dirname(stage.#sshKey), { mode: 0o700 })
    await writeFile(stage.#sshKey, 'a key that opens other machines\n', { mode: 0o600 })
    await mkdir(stage.#programs)
    await symlink(process.execPath, join(stage.#programs, 'node'))
    await stage.#connect(internet)
    return stage
  }

  private constructor(home: string, key: string) {
    this.home = home
    this.key = key
    this.project = join(home, 'basic')
  }

  /** On this machine, and for no workload to read. */
  get hostFiles(): readonly string[] {
    return [join(cageState(CAGE, this.environment), 'ca', KEY_FILE), this.auditLog, this.#sshKey]
  }

  get auditLog(): string {
    return cageAudit(CAGE, this.environment)
  }

  /** That of whoever started the demo, but at home here. */
  get environment(): Readonly<Record<string, string | undefined>> {
    return {
      ...process.env,
      HOME: this.home,
      PATH: [this.#programs, process.env['PATH']].join(delimiter),
      ANTHROPIC_API_KEY: this.key,
      XDG_CONFIG_HOME: join(this.home, '.config'),
      XDG_STATE_HOME: join(this.home, '.state'),
      XDG_CACHE_HOME: join(this.home, '.cache'),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.home, { recursive: true, force: true })
  }

  /** With this very Node in it, wherever the checkout lies: a cage shows no programs from /tmp, say. */
  get #programs(): string {
    return join(this.home, 'bin')
  }

  get #sshKey(): string {
    return join(this.home, '.ssh/id_ed25519')
  }

  /** Adds to the example's configuration where its hosts are on this machine, and whom to trust for them. */
  async #connect(internet: DemoInternet): Promise<void> {
    const authority = join(this.home, 'internet-ca.pem')
    await writeFile(authority, internet.certificatePem)
    const path = join(this.project, 'cage.yaml')
    const config = parseDocument(await readFile(path, 'utf8'))
    config.set('upstream', { ca_file: authority, connect_to: internet.connectTo })
    await writeFile(path, config.toString())
  }
}
