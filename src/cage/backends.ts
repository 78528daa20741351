import type { Isolation } from '../config/isolation.ts'
import type { Backend } from './backend.ts'

/** The backend of an isolation; only the one that is used is loaded. */
export async function backendOf(isolation: Isolation): Promise<Backend> {
  switch (isolation) {
    case 'process':
      return (await import('./process-backend.ts')).processBackend
    case 'container':
      return (await import('./container/backend.ts')).containerBackend
    case 'microvm':
      return (await import('./microvm-backend.ts')).microvmBackend
  }
}
