/**
 * Follows the one Secret that a BuildCluster names, with a watch of that name only, so that a role can be limited to it. Says what the
 * kubeconfig in it leads to, or why there is none; every change is told at once.
 */
import { secrets, type Secret } from '../kube/builtin.ts';
import { ApiError } from '../kube/errors.ts';
import { PooledKubeConfig, type ClusterAccess } from '../kube/kubeConfig.ts';
import type { Clock } from '../runtime/clock.ts';
import { messageOf } from '../runtime/errors.ts';
import { Informer } from '../runtime/informer.ts';
import type { Logger } from '../runtime/logger.ts';
import type { ListWatcher } from '../runtime/reflector.ts';
import { quietLogger } from './quietLogger.ts';

export type CredentialProblem = 'SecretForbidden' | 'SecretMissing' | 'SecretKeyMissing' | 'KubeconfigInvalid';

export type Credentials =
  | { readonly state: 'reading' }
  | { readonly state: 'read'; readonly access: ClusterAccess }
  | { readonly state: 'unusable'; readonly reason: CredentialProblem; readonly message: string };

export interface CredentialsOptions {
  readonly client: ListWatcher;
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly changed: (credentials: Credentials) => void;
}

export class CredentialWatch {
  readonly #options: CredentialsOptions;
  readonly #informer: Informer<Secret>;
  #current: Credentials = { state: 'reading' };
  /** The text that #current was read from; the same text changes nothing. */
  #text: string | undefined;
  /** Which reading is the latest: reading takes a moment, and a later change wins. */
  #reading = 0;

  constructor(options: CredentialsOptions) {
    this.#options = options;
    const { client, clock, logger, namespace, name } = options;
    this.#informer = new Informer<Secret>({
      client: watchful(client, (error) => this.#refused(error)),
      type: secrets,
      namespace,
      fieldSelector: `metadata.name=${name}`,
      clock,
      logger: quietLogger(logger, () => this.#current.state === 'unusable'),
    });
  }

  get current(): Credentials {
    return this.#current;
  }

  /** Follows the Secret until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { store } = this.#informer;
    const end = store.subscribe(() => void this.#read());
    void this.#informer.synced(signal).then(
      () => this.#read(),
      () => undefined,
    );
    try {
      await this.#informer.run(signal);
    } finally {
      end();
      this.#reading += 1;
    }
  }

  async #read(): Promise<void> {
    if (!this.#informer.store.hasSynced) return;
    const reading = ++this.#reading;
    const { namespace, name, key } = this.#options;
    const secret = this.#informer.store.get({ namespace, name });
    const encoded = secret?.data === undefined || !Object.hasOwn(secret.data, key) ? undefined : secret.data[key];
    if (encoded !== undefined && encoded === this.#text && this.#current.state === 'read') return;
    const credentials = secret === undefined ? missing(name) : await readAccess(name, key, encoded);
    if (reading !== this.#reading) return;
    this.#text = encoded;
    this.#set(credentials);
  }

  #refused(error: unknown): void {
    if (!(error instanceof ApiError) || error.code !== 403 || this.#informer.store.hasSynced) return;
    const { namespace, name } = this.#options;
    this.#set({
      state: 'unusable',
      reason: 'SecretForbidden',
      message:
        `The operator may not list and watch Secret ${name} in namespace ${namespace}. With the chart, set buildClusters.enabled=true, ` +
        'and add the name to buildClusters.secretNames if that is not empty.',
    });
  }

  #set(credentials: Credentials): void {
    if (JSON.stringify(credentials) === JSON.stringify(this.#current)) return;
    this.#current = credentials;
    this.#options.changed(credentials);
  }
}

const unusable = (reason: CredentialProblem, message: string): Credentials => ({ state: 'unusable', reason, message });

const missing = (name: string): Credentials =>
  unusable('SecretMissing', `There is no Secret ${name} in the namespace of this BuildCluster (spec.kubeconfigSecretRef.name).`);

async function readAccess(name: string, key: string, encoded: string | undefined): Promise<Credentials> {
  if (encoded === undefined)
    return unusable('SecretKeyMissing', `Secret ${name} has no key ${JSON.stringify(key)} (spec.kubeconfigSecretRef.key).`);
  try {
    const config = PooledKubeConfig.fromUntrustedText(Buffer.from(encoded, 'base64').toString('utf8'));
    return { state: 'read', access: await config.access() };
  } catch (error) {
    return unusable('KubeconfigInvalid', `Secret ${name}, key ${JSON.stringify(key)}: ${messageOf(error)}`);
  }
}

/** The same client, with a look at what it throws. */
function watchful(client: ListWatcher, refused: (error: unknown) => void): ListWatcher {
  return {
    list: async (type, query) => {
      try {
        return await client.list(type, query);
      } catch (error) {
        refused(error);
        throw error;
      }
    },
    watch: (type, query) => client.watch(type, query),
  };
}
