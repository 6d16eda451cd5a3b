/** The registry of the process, with the figures that belong to no controller. */
import { Metrics } from '../runtime/metrics.ts';

export interface ProcessFacts {
  readonly version: string;
  /** Asked before each scrape. */
  readonly areSettingsHealthy: () => boolean;
}

export function processMetrics({ version, areSettingsHealthy }: ProcessFacts): Metrics {
  const metrics = new Metrics().collectProcess();
  metrics
    .gauge({ name: 'prow_operator_build_info', help: 'Always 1; the label says which version runs', labels: ['version'] })
    .set({ version }, 1);
  const settings = metrics.gauge({
    name: 'prow_operator_settings_last_reload_successful',
    help: '1 while the settings file, as it is now, can be read and used; 0 while the last good one stays in force',
  });
  metrics.beforeScrape(() => settings.set(areSettingsHealthy() ? 1 : 0));
  return metrics;
}
