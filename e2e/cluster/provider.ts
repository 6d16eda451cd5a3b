/** What every way to have a cluster offers. */

/** One way to have a cluster. */
export interface Cluster {
  readonly kind: 'given' | 'kind' | 'local';
  readonly kubeconfig: string;
  readonly up: () => Promise<void>;
  readonly down: () => Promise<void>;
  /** Resolves with whether it is up, after saying how it is. */
  readonly status: () => Promise<boolean>;
  /** Makes the images of OCI archives known to the nodes. */
  readonly load: (archives: readonly string[]) => Promise<void>;
}
