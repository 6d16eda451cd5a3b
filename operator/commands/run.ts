/**
 * `prow-operator run`: reads the settings, connects, runs until it is told to stop. Exit code 0 after SIGTERM or SIGINT and an ordered
 * stop; 1 when the lease was lost or a part failed, so that whoever supervises the process starts it anew; 2 when it could not begin.
 */
import { readFile } from 'node:fs/promises';
import { SettingsError, defaultSettings } from '../config/loadSettings.ts';
import type { Settings } from '../config/settings.ts';
import { SettingsWatcher } from '../config/settingsWatcher.ts';
import { KubeConfigError, PooledKubeConfig } from '../kube/kubeConfig.ts';
import { UndiciTransport, type AccessSource, type TransportOptions } from '../kube/transport.ts';
import { realClock, type Clock } from '../runtime/clock.ts';
import { asError, messageOf } from '../runtime/errors.ts';
import { ProwOperator } from '../runtime/host.ts';
import { giveBackWhenIdle } from '../runtime/idleMemory.ts';
import type { Logger } from '../runtime/logger.ts';
import { createLogger, logLevels, type LogLevel } from '../runtime/logging.ts';
import type { Service } from '../runtime/manager.ts';
import type { OperatorKit } from '../runtime/operatorKit.ts';
import { ServerClock } from '../runtime/serverClock.ts';
import { version } from '../version.ts';
import { setUpControllers } from './controllers.ts';
import { processMetrics } from './processMetrics.ts';
import { shardedOperator } from './runShards.ts';

export interface RunOptions {
  readonly kubeconfig?: string;
  readonly settings?: string;
  readonly namespace?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
  readonly shards?: string;
}

/** What is wrong with the call itself; the message is for the person who typed it. */
class UsageError extends Error {}

export async function run(options: RunOptions): Promise<number> {
  let logger: Logger | undefined;
  try {
    const shards = shardsOf(options);
    const source = await openSettings(options, shards, (level, message, fields) => logger?.[level](message, fields));
    const settings = source.current();
    const count = shards ?? settings.leaderElection.shards;
    if (count > 1 && options.namespace !== undefined)
      throw new UsageError(`${count} shards divide namespaces, and --namespace ${options.namespace} is only one`);
    logger = loggerOf(options, settings);
    // The base class of the host reads the default kubeconfig before it is given ours: one that is broken must not matter then.
    if (options.kubeconfig !== undefined) process.env.KUBECONFIG = options.kubeconfig;
    const config = PooledKubeConfig.load(options.kubeconfig === undefined ? {} : { path: options.kubeconfig });
    logger.info('Starting', {
      version,
      node: process.version,
      server: config.getCurrentCluster()?.server,
      namespace: options.namespace ?? '(all)',
    });
    return await operate({ options, logger, config, source, shards: count });
  } catch (error) {
    if (!isForPerson(error)) throw error;
    process.stderr.write(`prow-operator run: ${error.message}\n`);
    return 2;
  }
}

const isForPerson = (error: unknown): error is Error =>
  error instanceof UsageError || error instanceof SettingsError || error instanceof KubeConfigError;

interface Operation {
  readonly options: RunOptions;
  readonly logger: Logger;
  readonly config: PooledKubeConfig;
  readonly source: SettingsSource;
  readonly shards: number;
}

async function operate({ options, logger, config, source, shards }: Operation): Promise<number> {
  const metrics = processMetrics({ version, areSettingsHealthy: source.isHealthy });
  const { leaderElection, server } = source.current();
  const { enabled, namespace = config.namespace ?? 'default', name, shards: _shards, ...timing } = leaderElection;
  const clock = new ServerClock(realClock, logger);
  const lease = { namespace, name, ...timing };
  const common = {
    config,
    clock,
    connect: (access: AccessSource, settings: TransportOptions): UndiciTransport =>
      // Other clusters have clocks of their own.
      new UndiciTransport(access, access === config ? clock.listeningTo(settings) : settings),
    logger,
    metrics,
    health: { host: server.host, port: server.port },
  };
  const services = servicesOf(source, clock);
  const operator =
    shards > 1
      ? shardedOperator({ ...common, count: shards, lease, settings: source.current, changed: source.changed, services })
      : new ProwOperator({
          ...common,
          name: 'prow-operator',
          ...(enabled ? { lease } : {}),
          setup: (kit) => setUp(kit, options, source, services),
        });
  const letGo = stopOnSignals(() => operator.stop(), logger);
  try {
    await operator.start();
    const exit = await operator.exited;
    return exit.exitCode;
  } finally {
    letGo();
  }
}

const servicesOf = (source: SettingsSource, clock: Clock): readonly Service[] => [
  { name: 'settings', run: source.follow },
  { name: 'idle memory', run: (signal) => giveBackWhenIdle({ clock }, signal) },
];

function setUp(kit: OperatorKit, options: RunOptions, source: SettingsSource, services: readonly Service[]): void {
  const { namespace } = options;
  const wired = setUpControllers(kit, { settings: source.current, ...(namespace === undefined ? {} : { namespace }) });
  source.changed(wired.settingsChanged);
  for (const service of services) kit.manager.addService(service);
}

interface SettingsSource {
  readonly current: () => Settings;
  /** Returns how to end that. */
  readonly changed: (fn: () => void) => () => void;
  readonly follow: (signal: AbortSignal) => Promise<void>;
  /** Whether a process that starts now would start with the file as it is. */
  readonly isHealthy: () => boolean;
}

/** Undefined: as the settings say. */
function shardsOf({ shards }: RunOptions): number | undefined {
  if (shards === undefined) return undefined;
  const count = Number(shards);
  if (!/^\d+$/.test(shards) || count < 1 || count > 64) throw new UsageError(`--shards ${shards} is not a number from 1 to 64`);
  return count;
}

async function openSettings(
  options: RunOptions,
  shards: number | undefined,
  say: (level: 'info' | 'warn', message: string, fields?: Record<string, unknown>) => void,
): Promise<SettingsSource> {
  const listeners = new Set<() => void>();
  const changed = (fn: () => void): (() => void) => {
    listeners.add(fn);
    return () => listeners.delete(fn);
  };
  if (options.settings === undefined) {
    const settings = defaultSettings();
    return { current: () => settings, changed, follow: untilAborted, isHealthy: () => true };
  }
  const file = options.settings;
  const read = (): Promise<string> =>
    readFile(file, 'utf8').catch((error: unknown) => {
      throw new UsageError(`--settings ${file} cannot be read: ${messageOf(error)}`);
    });
  const watcher = await SettingsWatcher.open({
    file,
    read,
    ...(shards === undefined ? {} : { shards }),
    clock: realClock,
    onChange: ({ needRestart }) => {
      if (needRestart.length === 0) say('info', 'The settings have changed and are in force');
      else say('warn', 'The settings have changed and are in force', { onlyAfterRestart: needRestart });
      for (const listener of listeners) listener();
    },
    onError: (error) => say('warn', 'The settings file cannot be used; the last good settings stay in force', { error: error.message }),
  });
  return { current: () => watcher.current, changed, follow: (signal) => watcher.run(signal), isHealthy: () => watcher.isHealthy };
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

function loggerOf(options: RunOptions, { logging }: Settings): Logger {
  const level = options.logLevel ?? logging.level;
  const format = options.logFormat ?? logging.format;
  if (!isLogLevel(level)) throw new UsageError(`--log-level ${level} is not one of ${logLevels.join(', ')}`);
  if (format !== 'json' && format !== 'human') throw new UsageError(`--log-format ${format} is neither json nor human`);
  return createLogger({ level, format, now: () => realClock.now() });
}

const isLogLevel = (text: string): text is LogLevel => (logLevels as readonly string[]).includes(text);

/** The first signal asks for the ordered stop; the second does not wait for it. What nobody caught ends the process, loudly. */
function stopOnSignals(stop: () => void, logger: Logger): () => void {
  let asked = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    logger.info(asked ? 'A second signal: leaving at once' : 'Stopping on a signal', { signal });
    if (asked) process.exit(130);
    asked = true;
    stop();
  };
  const onFatal = (error: unknown): void => {
    logger.error('An error that nobody caught; leaving', { error: asError(error) });
    process.exit(1);
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  process.on('uncaughtException', onFatal).on('unhandledRejection', onFatal);
  return () => {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
    process.off('uncaughtException', onFatal).off('unhandledRejection', onFatal);
  };
}
