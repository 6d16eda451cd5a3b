/**
 * The life of a reflector as a value: where it stands, and one pure function that says what follows from what happened. Nothing is
 * implicit, so each transition can be read and tested without a network or a clock. Guarantees: a watch is only ever opened at a
 * known resourceVersion; that version never goes back except through a new list; after anything but the end of a page there is a wait.
 */
import { fullJitterMs } from './backoff.ts';
import { compareVersions } from './resourceVersion.ts';

/** Why a list or a watch ended. */
export type FailureCause =
  /** The server ended the watch in order. */
  | 'closed'
  /** The connection could not be made, or broke. */
  | 'connect'
  | 'reset'
  /** Silence, or no answer in time. */
  | 'timeout'
  /** Not the protocol. */
  | 'malformed'
  /** 410, or a version that the server does not know: only a new list helps. */
  | 'expired'
  /** The server shows an older state than before: only a new list tells what is true now. */
  | 'rewound'
  /** 401 and 403. */
  | 'forbidden'
  /** 404: the kind is not there (yet). */
  | 'missing'
  /** 429 */
  | 'throttled'
  /** Every other answer. */
  | 'server'
  /** A defect of ours. */
  | 'internal';

export interface Failure {
  readonly cause: FailureCause;
  readonly message: string;
  readonly retryAfterMs?: number;
}

/** What to do when the wait is over. */
export type Resume =
  { readonly do: 'list'; readonly page: number; readonly token?: string } | { readonly do: 'watch'; readonly resourceVersion: string };

export type ReflectorState =
  | { readonly phase: 'idle' }
  /** token names the page to ask for; the first page has none. */
  | { readonly phase: 'listing'; readonly page: number; readonly token?: string; readonly failures: number }
  | { readonly phase: 'watching'; readonly resourceVersion: string; readonly sinceMs: number; readonly failures: number }
  | {
      readonly phase: 'backingOff';
      readonly cause: FailureCause;
      readonly untilMs: number;
      readonly failures: number;
      readonly then: Resume;
    };

export type ReflectorInput =
  | { readonly type: 'start' }
  /** A page came. `more` is the token of the next one. */
  | { readonly type: 'page'; readonly resourceVersion: string | undefined; readonly more?: string }
  /** An event or a bookmark came. */
  | { readonly type: 'event'; readonly resourceVersion: string }
  /** The list call or the watch ended. */
  | { readonly type: 'failed'; readonly failure: Failure }
  /** The wait is over. */
  | { readonly type: 'timer' }
  /** The last list is so long ago that the store is compared with a new one, whatever the watch has told. */
  | { readonly type: 'aged' };

/** What the runner does, in this order, on a transition. What it does next follows from the new state. */
export type ReflectorEffect =
  /** Forget the pages so far. */
  | { readonly type: 'discard' }
  /** Keep the items of the page. */
  | { readonly type: 'collect' }
  /** Hand all pages to the store. */
  | { readonly type: 'replace'; readonly resourceVersion: string }
  /** Hand the event to the store. */
  | { readonly type: 'apply' }
  | { readonly type: 'report'; readonly failure: Failure; readonly delayMs: number; readonly failures: number };

export interface ReflectorTuning {
  readonly baseMs: number;
  readonly maxMs: number;
  /** A watch that lived this long shows that all is well: failures count from 1 again. */
  readonly stableMs: number;
}

export const defaultTuning: ReflectorTuning = { baseMs: 200, maxMs: 30_000, stableMs: 60_000 };

export interface Moment {
  /** Monotonic. */
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
}

export interface Step {
  readonly state: ReflectorState;
  readonly effects: readonly ReflectorEffect[];
}

const none: readonly ReflectorEffect[] = [];
const applyOnly: readonly ReflectorEffect[] = [{ type: 'apply' }];

/** The only way from one state to another. Throws on an input that cannot happen in the state: a defect of the runner. */
export function next(state: ReflectorState, input: ReflectorInput, moment: Moment, tuning: ReflectorTuning = defaultTuning): Step {
  switch (input.type) {
    case 'start':
      if (state.phase === 'idle') return listAnew(0);
      break;
    case 'page':
      if (state.phase === 'listing') return afterPage(state, input, moment, tuning);
      break;
    case 'event':
      if (state.phase === 'watching') return afterEvent(state, input.resourceVersion);
      break;
    case 'failed':
      if (state.phase === 'listing' || state.phase === 'watching') return afterFailure(state, input.failure, moment, tuning);
      break;
    case 'timer':
      if (state.phase === 'backingOff') return afterWait(state, moment);
      break;
    case 'aged':
      if (state.phase === 'watching')
        return { state: { phase: 'listing', page: 1, failures: state.failures }, effects: [{ type: 'discard' }] };
      break;
  }
  throw new Error(`reflector: ${input.type} cannot happen while ${state.phase}`);
}

type Listing = Extract<ReflectorState, { phase: 'listing' }>;
type Watching = Extract<ReflectorState, { phase: 'watching' }>;
type BackingOff = Extract<ReflectorState, { phase: 'backingOff' }>;

const listAnew = (failures: number): Step => ({ state: { phase: 'listing', page: 1, failures }, effects: [{ type: 'discard' }] });

function afterEvent(state: Watching, resourceVersion: string): Step {
  const goesBack = (compareVersions(resourceVersion, state.resourceVersion) ?? 1) < 0;
  return { state: goesBack ? state : { ...state, resourceVersion }, effects: applyOnly };
}

function afterPage(state: Listing, input: Extract<ReflectorInput, { type: 'page' }>, moment: Moment, tuning: ReflectorTuning): Step {
  if (input.more !== undefined && input.more !== '') {
    return {
      state: { phase: 'listing', page: state.page + 1, token: input.more, failures: state.failures },
      effects: [{ type: 'collect' }],
    };
  }
  const { resourceVersion } = input;
  if (resourceVersion === undefined || resourceVersion === '' || resourceVersion === '0') {
    // Without it there is no place to watch from, and a watch from nowhere would miss changes.
    return afterFailure(state, { cause: 'malformed', message: 'the list carries no resourceVersion' }, moment, tuning);
  }
  return {
    state: { phase: 'watching', resourceVersion, sinceMs: moment.nowMs, failures: state.failures },
    effects: [{ type: 'collect' }, { type: 'replace', resourceVersion }],
  };
}

function afterFailure(state: Listing | Watching, failure: Failure, moment: Moment, tuning: ReflectorTuning): Step {
  const wasStable = state.phase === 'watching' && moment.nowMs - state.sinceMs >= tuning.stableMs;
  const failures = wasStable ? 1 : state.failures + 1;
  const delayMs = (failure.retryAfterMs ?? 0) + fullJitterMs(tuning, failures, moment.random);
  const then = resumption(state, failure);
  const report: ReflectorEffect = { type: 'report', failure, delayMs, failures };
  return {
    state: { phase: 'backingOff', cause: failure.cause, untilMs: moment.nowMs + delayMs, failures, then },
    effects: then.do === 'list' && then.token === undefined ? [{ type: 'discard' }, report] : [report],
  };
}

/** A page is asked for again with its token, a watch from its version; a version or token that has expired leaves only the whole list. */
function resumption(state: Listing | Watching, failure: Failure): Resume {
  const anew: Resume = { do: 'list', page: 1 };
  // After a defect of ours nobody knows what the store has missed.
  if (failure.cause === 'expired' || failure.cause === 'rewound' || failure.cause === 'internal') return anew;
  if (state.phase === 'watching') return { do: 'watch', resourceVersion: state.resourceVersion };
  return state.token === undefined || failure.cause === 'malformed' ? anew : { do: 'list', page: state.page, token: state.token };
}

function afterWait(state: BackingOff, moment: Moment): Step {
  const { then, failures } = state;
  if (then.do === 'watch') {
    return { state: { phase: 'watching', resourceVersion: then.resourceVersion, sinceMs: moment.nowMs, failures }, effects: none };
  }
  const token = then.token === undefined ? {} : { token: then.token };
  return { state: { phase: 'listing', page: then.page, ...token, failures }, effects: none };
}
