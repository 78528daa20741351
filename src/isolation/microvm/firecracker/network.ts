import type { Tap } from '../../process/moat-helper.ts'
import type { GuestNetwork } from '../guest-setup.ts'

/** The device in the moat that the guest's packets come from. */
export const TAP_DEVICE = 'guest0'

const [HOST, GUEST] = ['198.18.255.1', '198.18.255.2']

/** Who runs this may open the device. */
export function machineTap(): Tap {
  return { device: TAP_DEVICE, address: HOST, guest: GUEST, user: process.geteuid?.() ?? 0 }
}

/** IPv4 only. The guest's packets to any address are for the moat, where each is local and leads to the egress. */
export const TAP_NETWORK: GuestNetwork = { address: GUEST, prefix: 30, gateway: HOST }
