/**
 * Follows the settings file while the process runs. The content is read again and again, because a mounted ConfigMap changes behind
 * symbolic links that file events do not see. A new text that cannot be used is reported once and changes nothing.
 */
import { isDeepStrictEqual } from 'node:util';
import { SettingsError, loadSettings } from './loadSettings.ts';
import type { Settings } from './settings.ts';

export interface SettingsChange {
  readonly settings: Settings;
  readonly previous: Settings;
  /** Fields that changed and are read only at the start of the process. */
  readonly needRestart: readonly string[];
}

export interface SettingsWatcherOptions {
  /** For messages. */
  readonly file: string;
  /** The present text of the file. */
  readonly read: () => Promise<string>;
  /** Runs fn once after the delay: a Clock. */
  readonly clock: { after(delayMs: number, fn: () => void): { cancel(): void } };
  readonly onChange: (change: SettingsChange) => void;
  /** A text that cannot be used, or a file that cannot be read. */
  readonly onError: (error: Error) => void;
  /** See loadSettings. Default: what the first text says. */
  readonly shards?: number;
  /** Default 5 s. */
  readonly intervalMs?: number;
}

const defaultIntervalMs = 5_000;

export class SettingsWatcher {
  readonly #options: SettingsWatcherOptions;
  readonly #shards: number;
  #current: Settings;
  #text: string;
  #reported = '';
  #isReadable = true;
  #isUsable = true;

  private constructor(options: SettingsWatcherOptions, text: string) {
    this.#options = options;
    this.#text = text;
    this.#current = loadSettings(text, options.file, options.shards);
    this.#shards = options.shards ?? this.#current.leaderElection.shards;
  }

  /**
   * Reads the file for the first time.
   * @throws SettingsError when the first text cannot be used, and what `read` throws: a process must not start on a guess
   */
  static async open(options: SettingsWatcherOptions): Promise<SettingsWatcher> {
    return new SettingsWatcher(options, await options.read());
  }

  /** The settings in force. */
  get current(): Settings {
    return this.#current;
  }

  /** Whether the file, when it was last looked at, could be read and used: a process that starts now would start. */
  get isHealthy(): boolean {
    return this.#isReadable && this.#isUsable;
  }

  /** Looks at the file at each interval until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (await this.#waited(signal)) await this.check();
  }

  /** Looks at the file now. */
  async check(): Promise<void> {
    try {
      const text = await this.#options.read();
      if (text !== this.#text) this.#take(text);
      this.#reported = '';
      this.#isReadable = true;
    } catch (error) {
      this.#isReadable = false;
      this.#report(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #take(text: string): void {
    const previous = this.#current;
    const settings = this.#load(text);
    if (settings === undefined) return;
    if (isDeepStrictEqual(settings, previous)) return;
    this.#current = settings;
    this.#options.onChange({
      settings,
      previous,
      needRestart: startOnlyChanges(previous, settings),
    });
  }

  /** A bad text is remembered as seen: it is reported once, not at each look. */
  #load(text: string): Settings | undefined {
    this.#text = text;
    try {
      const settings = loadSettings(text, this.#options.file, this.#shards);
      this.#isUsable = true;
      return settings;
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      this.#isUsable = false;
      this.#options.onError(error);
      return undefined;
    }
  }

  #report(error: Error): void {
    if (error.message === this.#reported) return;
    this.#reported = error.message;
    this.#options.onError(error);
  }

  /** False when the signal aborted instead. */
  #waited(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const onAbort = (): void => {
        timer.cancel();
        resolve(false);
      };
      const timer = this.#options.clock.after(this.#options.intervalMs ?? defaultIntervalMs, () => {
        signal.removeEventListener('abort', onAbort);
        resolve(true);
      });
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}

/** Read when the process starts: workers are started, sockets opened, the lease taken and the logger made then. */
const startOnly: ReadonlyMap<string, (settings: Settings) => unknown> = new Map([
  ['prowJobs.workers', (settings: Settings): unknown => settings.prowJobs.workers],
  ['periodics.workers', (settings: Settings): unknown => settings.periodics.workers],
  ['periodicBackfills.workers', (settings: Settings): unknown => settings.periodicBackfills.workers],
  ['periodicSets.workers', (settings: Settings): unknown => settings.periodicSets.workers],
  ['pluginConfigs.workers', (settings: Settings): unknown => settings.pluginConfigs.workers],
  ['cleanup.workers', (settings: Settings): unknown => settings.cleanup.workers],
  ['archive.workers', (settings: Settings): unknown => settings.archive?.workers ?? 4],
  ['archive.spoolDir', (settings: Settings): unknown => settings.archive?.spoolDir],
  ['leaderElection', (settings: Settings): unknown => settings.leaderElection],
  ['server', (settings: Settings): unknown => settings.server],
  ['logging', (settings: Settings): unknown => settings.logging],
]);

const startOnlyChanges = (before: Settings, after: Settings): readonly string[] =>
  [...startOnly].filter(([, read]) => !isDeepStrictEqual(read(before), read(after))).map(([field]) => field);
