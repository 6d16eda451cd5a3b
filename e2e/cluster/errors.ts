/** What stops the cluster from coming up or going down in a way that the person at the terminal can do something about. */
export class ClusterError extends Error {
  readonly code = 'Cluster';
  override readonly name = 'ClusterError';
}
