import type { UnitState } from '../isolation/systemd/user-manager.ts'
import type { ServiceStatus } from './backend.ts'

/** A service of ours is active once it serves, so that `active` means more than started. */
export function serviceState(state: UnitState | undefined): ServiceStatus['state'] {
  switch (state?.active) {
    case 'active':
    case 'reloading':
      return 'running'
    case 'activating':
      return state.sub === 'auto-restart' ? 'failed' : 'starting'
    case 'deactivating':
      return 'stopping'
    case 'failed':
      return 'failed'
    default:
      return 'stopped'
  }
}
