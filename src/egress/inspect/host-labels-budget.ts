import { LRUCache } from 'lru-cache'
import type { Hostname } from '../../policy/host.ts'

export interface HostLabelLimits {
  /** Different names below one zone in an hour; 0: no limit. */
  readonly names_per_hour: number
  /** Bytes of different names below one zone in an hour, without the zone's; 0: no limit. */
  readonly label_bytes_per_hour: number
}

/** What a name did to the budget of its zone. */
export type HostLabelUse =
  | { readonly kind: 'within'; readonly isNew: boolean; readonly names: number; readonly bytes: number }
  | { readonly kind: 'exceeded'; readonly reason: string; readonly retryAfter: number }

interface Zone {
  /** Labels, and when they were first seen, in milliseconds; oldest first. */
  readonly seen: Map<string, number>
  bytes: number
}

const HOUR_MS = 3_600_000

/** Zones remembered; beyond, the one unused longest starts anew. With 16 KiB each that is 16 MiB. */
const ZONES = 1024

/** Where a limit is off, names are remembered all the same, so many and no more. */
const MOST_NAMES = 10_000

/**
 * Counts the names below each zone: a name said twice tells nothing new, so only different ones count. An hour after
 * it was first said a name is forgotten. Memory is bounded by the limits themselves: what exceeds them is not kept.
 */
export class HostLabelBudget {
  readonly #limits: HostLabelLimits
  readonly #zones = new LRUCache<Hostname, Zone>({ max: ZONES })

  constructor(limits: HostLabelLimits) {
    this.#limits = limits
  }

  /** `now` in milliseconds. */
  use(zoneName: Hostname, labels: string, now: number): HostLabelUse {
    const zone = this.#zones.get(zoneName) ?? { seen: new Map<string, number>(), bytes: 0 }
    this.#zones.set(zoneName, zone)
    forget(zone, now - HOUR_MS)
    const names = zone.seen.size
    if (zone.seen.has(labels)) return { kind: 'within', isNew: false, names, bytes: zone.bytes }
    const over = this.#excess(names + 1, zone.bytes + labels.length)
    if (over !== undefined) {
      const reason = `host label budget exceeded: ${over} per hour under ${zoneName}`
      return { kind: 'exceeded', reason, retryAfter: this.#retryAfter(zone, now) }
    }
    if (names >= MOST_NAMES) drop(zone)
    zone.seen.set(labels, now)
    zone.bytes += labels.length
    return { kind: 'within', isNew: true, names: names + 1, bytes: zone.bytes }
  }

  #excess(names: number, bytes: number): string | undefined {
    const { names_per_hour: maxNames, label_bytes_per_hour: maxBytes } = this.#limits
    if (maxNames > 0 && names > maxNames) return `${names} > ${maxNames} names`
    return maxBytes > 0 && bytes > maxBytes ? `${bytes} > ${maxBytes} bytes` : undefined
  }

  /** Whole seconds until the oldest name is forgotten. */
  #retryAfter({ seen }: Zone, now: number): number {
    const [oldest = now] = seen.values()
    return Math.max(1, Math.ceil((oldest + HOUR_MS - now) / 1000))
  }
}

function forget(zone: Zone, before: number): void {
  for (const at of zone.seen.values()) {
    if (at > before) return
    drop(zone)
  }
}

/** Forgets the oldest name. */
function drop(zone: Zone): void {
  const [oldest] = zone.seen.keys()
  if (oldest === undefined) return
  zone.seen.delete(oldest)
  zone.bytes -= oldest.length
}
