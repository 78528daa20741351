import type { Isolation } from '../../config/isolation.ts'

/** A configuration to begin with, for one kind of agent. */
export interface Scaffold {
  readonly name: string
  /** In a list; not a sentence. */
  readonly brief: string
  readonly isolation: Isolation
  /** cage.yaml without its `name`, comments and all. */
  readonly text: string
}

/** Why one allowlist is as it is, the same for every agent that writes code. */
export const REGISTRIES = `    # Where it gets packages, if it is to get any. Names that anybody may publish under are a way out for what it knows.
    # - registry.npmjs.org
    # - pypi.org
    # - files.pythonhosted.org
    # To read repositories, not to write to them:
    # - { host: github.com, methods: [GET] }
`
