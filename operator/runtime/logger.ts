/**
 * The logger as the rest of the code sees it: four levels, fields, children. winston is behind it (createLogger), and nowhere else.
 * error = somebody must act; warn = degraded but retried; info = a state changed; debug = the flow.
 */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  /** Guard in hot loops: a disabled line should cost nothing. */
  readonly debugEnabled: boolean;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose lines carry these fields as well. */
  child(fields: LogFields): Logger;
}

export const silentLogger: Logger = {
  debugEnabled: false,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};
