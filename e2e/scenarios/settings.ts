/** The operator's settings in stories: as a user would write them in the file, with lives short enough to be watched. */
import { stringify } from 'yaml';
import { loadSettings } from '../../operator/config/loadSettings.ts';
import type { SettingsFile } from '../../operator/config/settings.ts';
import type { Limits } from './limitLedger.ts';
import { targetName } from './target.ts';

/** A file of stories changes what it is about; the rest is the same for all. */
export function storySettings(own: SettingsFile = {}): SettingsFile {
  return {
    ...own,
    cleanup: { orphanAge: '2s', ...own.cleanup },
    // Short, so that a crash is not mostly waiting; long enough for a machine that does a lot beside, a whole cluster for instance.
    leaderElection:
      targetName() === 'sandbox'
        ? { ...own.leaderElection, leaseDuration: '6s', renewDeadline: '5s', retryPeriod: '1s' }
        : { ...own.leaderElection, leaseDuration: '12s', renewDeadline: '10s', retryPeriod: '1s' },
    logging: { level: 'info', format: 'json' },
  };
}

/** The limits that these settings set. */
export const limitsOf = (settings: SettingsFile): Limits => loadSettings(stringify(settings), 'settings').prowJobs;
