import { command } from '../command.ts'

export interface DoctorFlags {
  readonly json: boolean
}

export const doctorRoute = command<DoctorFlags>({
  docs: { brief: 'Check this host and name the command that mends what is missing', customUsage: ['[--json]'] },
  parameters: {
    flags: { json: { kind: 'boolean', withNegated: false, brief: 'Print JSON' } },
  },
  load: async () => (await import('../commands/doctor.ts')).doctor,
})
