/**
 * Where the API server is and how to prove who we are. client-node reads kubeconfig files, in-cluster files and exec plugins; this
 * class turns that into plain values (address, headers, TLS material), read again at most every few seconds so that rotated
 * tokens, certificates and CAs are picked up, and hands client-node's own calls our connection pool instead of one pool per call.
 */
import { readFile } from 'node:fs/promises';
import { HttpMethod, KubeConfig, RequestContext, bufferFromFileOrString } from '@kubernetes/client-node';
import type { AgentOptions } from 'node:https';
import type { Cluster, User } from '@kubernetes/client-node';
import type { Dispatcher } from 'undici';
import { parse } from 'yaml';

/** A kubeconfig that cannot be used. The message names the field. */
export class KubeConfigError extends Error {
  override readonly name = 'KubeConfigError';
  readonly code = 'KUBECONFIG_INVALID';
}

export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** Everything a connection needs, as read at one moment. */
export interface ClusterAccess {
  /** scheme://host:port */
  readonly origin: string;
  /** Path before /api, without a slash at the end; mostly empty. */
  readonly basePath: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
  readonly proxyUrl?: string;
}

export interface KubeConfigSource {
  /** Path of a kubeconfig. Without it: KUBECONFIG, then ~/.kube/config, then the service account of the pod. */
  readonly path?: string;
  /** Context to use instead of the current one. */
  readonly context?: string;
}

interface AuthProvider {
  readonly name?: string;
  readonly config?: { readonly tokenFile?: string };
}

export class PooledKubeConfig extends KubeConfig {
  #pool: (() => Promise<Dispatcher>) | undefined;
  #tls: TlsMaterial = {};

  /** Reads the configuration. Throws KubeConfigError when it is missing, broken, or has no such context. */
  static load(source: KubeConfigSource = {}): PooledKubeConfig {
    const config = new PooledKubeConfig();
    return config.#read(source.path ?? 'the default kubeconfig', source.context, () => {
      if (source.path !== undefined) config.loadFromFile(source.path);
      else config.#loadFound();
    });
  }

  /**
   * A kubeconfig that somebody else wrote, such as the content of a Secret. Programs, auth providers and paths of files are refused
   * in it: they would run and read with the operator's rights. So are servers that need not prove who they are: the operator would
   * carry credentials, and read on behalf of a stranger, wherever it is told to. Throws KubeConfigError; its message never holds a credential.
   */
  static fromUntrustedText(text: string, context?: string): PooledKubeConfig {
    const config = new PooledKubeConfig();
    config.#read('kubeconfig', context, () => config.loadFromString(refuseReferences(text)));
    const { cluster } = config.#current();
    if (serverUrl(cluster).protocol !== 'https:')
      throw new KubeConfigError(`kubeconfig: cluster "${cluster.name}": server: must start with https:// here`);
    if (cluster.skipTLSVerify)
      throw new KubeConfigError(`kubeconfig: cluster "${cluster.name}": insecure-skip-tls-verify is not allowed here: give the CA instead`);
    return config;
  }

  /** The namespace of the current context, or of the pod we run in. */
  get namespace(): string | undefined {
    return this.getContextObject(this.getCurrentContext())?.namespace?.trim();
  }

  /** Reads tokens, certificates and CA as they are now; may run an exec plugin. Throws what reading throws. */
  async access(): Promise<ClusterAccess> {
    const { cluster, user } = this.#current();
    const url = serverUrl(cluster);
    const context = new RequestContext(url.href, HttpMethod.GET);
    await super.applySecurityAuthentication(context);
    // client-node forgets the CA when the context has no user.
    const tls = user === null ? { ...this.#tls, ...anonymousTls(cluster) } : this.#tls;
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(context.getHeaders())) headers[name.toLowerCase()] = value.trim();
    const tokenFile = (user?.authProvider as AuthProvider | null | undefined)?.config?.tokenFile;
    if (tokenFile !== undefined) headers.authorization = `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`;
    return {
      origin: url.origin,
      basePath: url.pathname.replace(/\/+$/, ''),
      headers,
      tls,
      ...(cluster.proxyUrl === undefined ? {} : { proxyUrl: cluster.proxyUrl }),
    };
  }

  /** The pool that client-node's own API classes (exec, port-forward) use. Set by the transport. */
  usePool(pool: () => Promise<Dispatcher>): void {
    this.#pool = pool;
  }

  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    await super.applySecurityAuthentication(context);
    if (this.#pool !== undefined) context.setDispatcher(await this.#pool());
  }

  /** client-node asks here what pool to build for one call: none. What it would have put in is what we want to know. */
  override createDispatcherOptions(_cluster: Cluster | null, options: AgentOptions): ReturnType<KubeConfig['createDispatcherOptions']> {
    this.#tls = tlsMaterial(options);
    return { type: 'none' };
  }

  #current(): { readonly cluster: Cluster; readonly user: User | null } {
    const cluster = this.getCurrentCluster();
    if (cluster === null)
      throw new KubeConfigError(`kubeconfig: context "${this.getCurrentContext()}" names no cluster that is in the file`);
    return { cluster, user: this.getCurrentUser() };
  }

  /** Where client-node finds nothing it assumes a server on this machine; we would talk to our own health page. */
  #loadFound(): void {
    this.loadFromDefault();
    if (this.getCurrentCluster()?.server !== 'http://localhost:8080' || this.getCurrentContext() !== 'loaded-context') return;
    throw new Error('there is none: set KUBECONFIG, write ~/.kube/config, name a file, or run in a pod with a service account');
  }

  #read(what: string, context: string | undefined, load: () => void): this {
    try {
      load();
    } catch (error) {
      throw new KubeConfigError(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
    if (context !== undefined) this.setCurrentContext(context);
    this.#requireContext(what);
    serverUrl(this.#current().cluster);
    return this;
  }

  #requireContext(what: string): void {
    const current = this.getCurrentContext() as string | undefined;
    if (current !== undefined && this.getContextObject(current) !== null) return;
    const known = this.getContexts().map((each) => `"${each.name}"`);
    const missing = current === undefined ? 'current-context is not set' : `no context "${current}"`;
    throw new KubeConfigError(`${what}: ${missing}; there is ${known.length === 0 ? 'none' : known.join(', ')}`);
  }
}

/** Fields of a kubeconfig that name a file or a program. */
const references = ['certificate-authority', 'client-certificate', 'client-key', 'tokenFile', 'token-file', 'exec', 'auth-provider'];

/** YAML takes its time: a mapping of 30,000 names held the process for a minute. */
const mostYaml = 64 * 1024;

function parseQuickly(text: string): unknown {
  if (text.trimStart().startsWith('{')) {
    try {
      return JSON.parse(text);
    } catch {
      // It may be YAML that begins like JSON; what is neither is refused below.
    }
  }
  if (text.length > mostYaml) {
    const size = Math.ceil(text.length / 1024);
    throw new Error(
      `it is ${size} KiB of YAML, and at most ${mostYaml / 1024} are read: leave only the context that is used, or write JSON`,
    );
  }
  // Without prettyErrors, whose messages quote the lines around the mistake: there may be a token in them.
  return parse(text, { maxAliasCount: 10, prettyErrors: false, uniqueKeys: false });
}

/** The kubeconfig as JSON, parsed by us so that what is checked is what is read. Throws on a field that refers to this machine. */
function refuseReferences(text: string): string {
  const document = parseQuickly(text);
  if (document === null || document === undefined) throw new Error('it is empty');
  if (typeof document !== 'object' || Array.isArray(document)) throw new Error('it is no mapping with clusters, users and contexts');
  const entries = (field: string): unknown[] => {
    const value = (document as Record<string, unknown>)[field];
    return Array.isArray(value) ? value : [];
  };
  const check = (list: string, part: string): void => {
    for (const [index, entry] of entries(list).entries()) {
      const value = (entry as Record<string, unknown> | null)?.[part];
      for (const field of Object.keys(typeof value === 'object' && value !== null ? value : {})) {
        if (references.includes(field))
          throw new Error(`${list}[${index}].${part}.${field} is not allowed here: use a token or the fields that end in -data`);
      }
    }
  };
  check('clusters', 'cluster');
  check('users', 'user');
  return JSON.stringify(document);
}

function serverUrl(cluster: Cluster): URL {
  if (!URL.canParse(cluster.server))
    throw new KubeConfigError(`kubeconfig: cluster "${cluster.name}": server: not a URL: ${JSON.stringify(cluster.server)}`);
  const url = new URL(cluster.server);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new KubeConfigError(`kubeconfig: cluster "${cluster.name}": server: must start with https:// or http://`);
  return url;
}

function anonymousTls(cluster: Cluster): TlsMaterial {
  const ca = bufferFromFileOrString(cluster.caFile, cluster.caData);
  return {
    ...(ca === null ? {} : { ca: ca.toString() }),
    ...(cluster.tlsServerName === undefined ? {} : { servername: cluster.tlsServerName }),
    ...(cluster.skipTLSVerify ? { rejectUnauthorized: false } : {}),
  };
}

function tlsMaterial(options: AgentOptions): TlsMaterial {
  const asText = (value: unknown): string | undefined =>
    Buffer.isBuffer(value) || typeof value === 'string' ? value.toString() : undefined;
  const all = {
    ca: asText(options.ca),
    cert: asText(options.cert),
    key: asText(options.key),
    passphrase: options.passphrase,
    servername: options.servername,
    rejectUnauthorized: options.rejectUnauthorized,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
