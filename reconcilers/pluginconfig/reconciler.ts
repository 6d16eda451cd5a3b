/**
 * Says on each PluginConfig what it comes to beside the others of its namespace. Writes status and nothing else. The result depends
 * only on the objects as they are, so whichever of two contradicting objects changes, both end up telling the truth.
 */
import { pluginConfigs } from '../../crds/resources.ts';
import type { PluginConfig, PluginConfigStatus } from '../../crds/v1/pluginConfig.ts';
import { resolvePlugins } from '../../operator/jobs/pluginResolution.ts';
import { changedFields } from '../../operator/jobs/statusPatch.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { keyOf, type KubeObject, type ObjectKey } from '../../operator/kube/objects.ts';
import { withKind } from '../../operator/runtime/eventRecorder.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';
import { overlappingConfigs } from './overlap.ts';
import { pluginConfigStatus } from './status.ts';

export interface PluginConfigDeps {
  readonly configs: Pick<StoreReader<PluginConfig>, 'get' | 'list' | 'byIndex'>;
  readonly writer: {
    patchStatus(
      key: ObjectKey,
      body: { readonly status: object; readonly metadata?: object },
      options?: { readonly signal?: AbortSignal },
    ): Promise<unknown>;
  };
  readonly events: { event(regarding: KubeObject, type: 'Normal' | 'Warning', reason: string, note: string, action?: string): void };
  readonly metrics: Metrics;
}

export class PluginConfigReconciler implements Reconciler {
  readonly #deps: PluginConfigDeps;
  readonly #resolutions;

  constructor(deps: PluginConfigDeps) {
    this.#deps = deps;
    this.#resolutions = deps.metrics.counter({
      name: 'prow_plugin_config_resolutions_total',
      help: 'Results for PluginConfigs that were written down.',
      labels: ['result'],
      zero: [{ result: 'resolved' }, { result: 'problems' }],
    });
  }

  async reconcile(key: ObjectKey, ctx: ReconcileContext): Promise<Result> {
    const config = this.#deps.configs.get(key);
    if (config === undefined || config.metadata.deletionTimestamp !== undefined) return {};
    const others = overlappingConfigs(this.#deps.configs, config).filter((other) => other.metadata.deletionTimestamp === undefined);
    const status = pluginConfigStatus(config, resolvePlugins(config, others), ctx.clock.now());
    const changed = changedFields(config.status, status);
    if (changed !== undefined) await this.#write(config, status, changed, ctx);
    return {};
  }

  async #write(config: PluginConfig, status: PluginConfigStatus, changed: object, ctx: ReconcileContext): Promise<void> {
    const { resourceVersion } = config.metadata;
    const metadata = resourceVersion === undefined ? {} : { metadata: { resourceVersion } };
    try {
      await this.#deps.writer.patchStatus(keyOf(config), { ...metadata, status: changed }, { signal: ctx.signal });
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    this.#resolutions.inc({ result: status.problems?.length === 0 ? 'resolved' : 'problems' });
    this.#tell(config, status);
  }

  #tell(config: PluginConfig, status: PluginConfigStatus): void {
    const { events } = this.#deps;
    const known = new Set((config.status?.problems ?? []).map(({ path, message }) => `${path} ${message}`));
    for (const { path, reason, message } of status.problems ?? []) {
      if (!known.has(`${path} ${message}`))
        events.event(withKind(pluginConfigs, config), 'Warning', reason, `${path}: ${message}`, 'Resolve');
    }
  }
}
