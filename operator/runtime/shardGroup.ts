/**
 * The processes that share one set of shards. They hold a lease together whose identity names the number of shards, so processes with
 * another number, or with none, never work beside them; and they list each other in its metadata. A member that has not renewed for
 * the lease duration, by this process's own clock, is gone: it refuses its own writes since its renew deadline, so its shards can be
 * taken without waiting for their leases as well.
 */
import type { Lease } from '../kube/builtin.ts';
import { leases } from '../kube/builtin.ts';
import type { ObjectKey, ObjectMeta } from '../kube/objects.ts';
import type { Clock } from './clock.ts';
import { LeaderElector } from './leaderElector.ts';
import type { LeaderElectorOptions, LeaseClient, LeaseParty, LeadershipEnd } from './leaderElector.ts';
import type { Logger } from './logger.ts';
import type { ShardMember } from './shardAssignment.ts';

export interface ShardGroupOptions extends Pick<LeaderElectorOptions, 'leaseDurationMs' | 'renewDeadlineMs' | 'retryPeriodMs' | 'random'> {
  readonly client: LeaseClient;
  readonly lease: ObjectKey;
  /** This process. */
  readonly id: string;
  readonly count: number;
  /** The shards whose leases this process holds, now. */
  readonly shards: () => readonly number[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** As in the lease: who, how often it has renewed, what it holds, and whether it is about to go. */
type Entry = readonly [id: string, beat: number, shards: readonly number[], isLeaving: boolean];

interface Known {
  readonly entry: Entry;
  /** Monotonic time when it last renewed, as far as was seen. */
  readonly seenAtMs: number;
  readonly isListed: boolean;
}

export const membersAnnotation = 'shard-members';

export class ShardGroup implements LeaseParty {
  readonly #options: ShardGroupOptions;
  readonly #elector: LeaderElector;
  readonly #durationMs: number;
  readonly #others = new Map<string, Known>();
  readonly #lost = Promise.withResolvers<'lost'>();
  #beat = 0;
  #isLeaving = false;
  #isFounder = false;

  constructor(options: ShardGroupOptions) {
    const { count, id: _id, shards: _shards, ...rest } = options;
    this.#options = options;
    this.#durationMs = options.leaseDurationMs ?? 15_000;
    this.#elector = new LeaderElector({ ...rest, identity: `shards-of-${count}`, party: this });
  }

  /** Whether this process took the lease when nobody of the group had it. */
  get isFounder(): boolean {
    return this.#isFounder;
  }

  mayWrite(): boolean {
    return this.#elector.mayWrite();
  }

  /** Resolves when this process is a member. Rejects with the signal's reason. */
  join(signal: AbortSignal): Promise<void> {
    return this.#elector.acquire(signal);
  }

  /** Stays a member until `release` aborts or the lease is lost. Call after `join`. Never rejects. */
  async hold(release: AbortSignal): Promise<LeadershipEnd> {
    const end = await this.#elector.hold(release);
    if (end === 'lost') this.#lost.resolve(end);
    return end;
  }

  /** Resolves when the lease of the group is lost; otherwise never. */
  get lost(): Promise<'lost'> {
    return this.#lost.promise;
  }

  /** Those among whom the shards are divided, this process included unless it is leaving. */
  members(): readonly ShardMember[] {
    const others = [...this.#others.values()].filter((known) => known.isListed && !known.entry[3] && !this.#isExpired(known));
    return [
      ...others.map(({ entry: [id, , shards] }) => ({ id, shards })),
      ...(this.#isLeaving ? [] : [{ id: this.#options.id, shards: this.#options.shards() }]),
    ];
  }

  /** Whether a member that is alive says that it leads this shard. */
  isHeldByOther(shard: number): boolean {
    return [...this.#others.values()].some((known) => known.isListed && !this.#isExpired(known) && known.entry[2].includes(shard));
  }

  /** Tells the others soon that this process leads other shards than before. */
  tell(): void {
    this.#elector.renewNow();
  }

  /** Nothing is to be given to this process any more; what it has it still leads. */
  beginLeaving(): void {
    this.#isLeaving = true;
    this.tell();
  }

  /** Reads the lease. Rejects as the client does. */
  async look(signal: AbortSignal): Promise<void> {
    const { client, lease } = this.#options;
    this.saw(await client.get(leases, lease, { signal, timeoutMs: 5_000 }));
  }

  /**
   * True when this process is known and has not renewed for the lease duration. One that was never listed may be alive; its shard's own
   * lease tells when it expires.
   */
  async isGone(id: string, signal: AbortSignal): Promise<boolean> {
    await this.look(signal);
    const known = this.#others.get(id);
    return known !== undefined && this.#isExpired(known);
  }

  saw(lease: Lease): void {
    const nowMs = this.#options.clock.monotonic();
    const listed = new Map(entriesOf(lease.metadata).map((entry) => [entry[0], entry]));
    listed.delete(this.#options.id);
    for (const [id, known] of this.#others) if (!listed.has(id)) this.#others.set(id, { ...known, isListed: false });
    for (const [id, entry] of listed) {
      const known = this.#others.get(id);
      // A late answer shows an older state; it must not make anybody look younger or older than it is.
      if (known !== undefined && known.entry[1] > entry[1]) continue;
      const seenAtMs = known?.entry[1] === entry[1] ? known.seenAtMs : nowMs;
      this.#others.set(id, { entry, seenAtMs, isListed: true });
    }
    // Remembered for as long as a shard's lease can name it: three times what makes a member gone.
    for (const [id, { seenAtMs, isListed }] of this.#others) {
      if (!isListed && nowMs - seenAtMs > 3 * this.#durationMs) this.#others.delete(id);
    }
  }

  sign(metadata: ObjectMeta, isTakeOver: boolean): ObjectMeta {
    this.#beat += 1;
    const mine: Entry = [this.#options.id, this.#beat, this.#options.shards(), this.#isLeaving];
    this.#isFounder ||= isTakeOver || metadata.uid === undefined;
    if (isTakeOver) this.#others.clear();
    return withEntries(metadata, isTakeOver ? [mine] : [...this.#othersIn(metadata), mine]);
  }

  leave(metadata: ObjectMeta): { readonly metadata: ObjectMeta; readonly isLast: boolean } {
    const others = this.#othersIn(metadata);
    // Not listed although it did not say that it leaves: somebody deleted the lease, and it has not come to tell of itself again.
    const hasUnlisted = [...this.#others.values()].some((known) => !known.isListed && !known.entry[3] && !this.#isExpired(known));
    return { metadata: withEntries(metadata, others), isLast: others.length === 0 && !hasUnlisted };
  }

  #othersIn(metadata: ObjectMeta): readonly Entry[] {
    return entriesOf(metadata).filter(([id]) => {
      const known = this.#others.get(id);
      return id !== this.#options.id && (known === undefined || !this.#isExpired(known));
    });
  }

  #isExpired({ seenAtMs }: Known): boolean {
    return this.#options.clock.monotonic() - seenAtMs >= this.#durationMs;
  }
}

/** What cannot be read is left out: its member writes itself anew with its next renewal. */
function entriesOf({ annotations }: ObjectMeta): readonly Entry[] {
  try {
    const parsed: unknown = JSON.parse(annotations?.[membersAnnotation] ?? '[]');
    return Array.isArray(parsed) ? parsed.filter(isEntry) : [];
  } catch {
    return [];
  }
}

function isEntry(value: unknown): value is Entry {
  if (!Array.isArray(value)) return false;
  const [id, beat, shards, isLeaving] = value as readonly unknown[];
  return (
    typeof id === 'string' &&
    typeof beat === 'number' &&
    Array.isArray(shards) &&
    shards.every(Number.isInteger) &&
    typeof isLeaving === 'boolean'
  );
}

const withEntries = (metadata: ObjectMeta, entries: readonly Entry[]): ObjectMeta => ({
  ...metadata,
  annotations: { ...metadata.annotations, [membersAnnotation]: JSON.stringify(entries) },
});
