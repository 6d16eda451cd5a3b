/** A logger for what fails again and again while it is known, and has been said, that it fails: its warnings are then for debugging only. */
import type { Logger } from '../runtime/logger.ts';

export const quietLogger = (logger: Logger, isKnown: () => boolean): Logger => ({
  get debugEnabled() {
    return logger.debugEnabled;
  },
  debug: (message, fields) => logger.debug(message, fields),
  info: (message, fields) => logger.info(message, fields),
  warn: (message, fields) => (isKnown() ? logger.debug(message, fields) : logger.warn(message, fields)),
  error: (message, fields) => logger.error(message, fields),
  child: (fields) => quietLogger(logger.child(fields), isKnown),
});
