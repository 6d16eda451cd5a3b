/** What a client says about a write besides the object. */

export interface WriteOptions {
  readonly dryRun?: boolean;
  /** Who writes, for managedFields; empty: not tracked. */
  readonly manager?: string;
  readonly fieldValidation?: 'Ignore' | 'Warn' | 'Strict';
  /** Called with each Warning header to send. */
  readonly warn?: (text: string) => void;
  readonly subresource?: string | undefined;
  /** The object is the result of a patch, and so are its faults. */
  readonly isPatch?: boolean;
  /** managedFields were already set by an apply. */
  readonly applied?: boolean;
  /** Unknown or duplicate fields that decoding found. */
  readonly decodingErrors?: readonly string[];
}

export interface DeleteOptions {
  readonly dryRun?: boolean;
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}
