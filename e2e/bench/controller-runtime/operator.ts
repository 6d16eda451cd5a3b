/**
 * The toy operator on our framework; its twin on controller-runtime is main.go: the same kind, the same decision, the same patch. It reads the
 * cluster from KUBECONFIG, its settings from arguments, and answers each line on standard input with its counters as a line of JSON. It
 * ends with SIGTERM or with the end of its input.
 */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { ObjectKey } from '../../../operator/kube/objects.ts';
import { keyOf } from '../../../operator/kube/objects.ts';
import { ProwOperator, createLogger, giveBackWhenIdle, realClock } from '../../../operator/runtime/index.ts';
import type { ObjectWriter, OperatorKit, ReconcileContext, Reconciler, Result, StoreReader } from '../../../operator/runtime/index.ts';
import { widgets } from './widget.ts';
import type { Widget } from './widget.ts';

const counters = { passes: 0, patches: 0, failures: 0 };

class WidgetReconciler implements Reconciler {
  readonly #store: StoreReader<Widget>;
  readonly #writer: ObjectWriter<Widget>;
  readonly #run: string;

  constructor(store: StoreReader<Widget>, writer: ObjectWriter<Widget>, run: string) {
    this.#store = store;
    this.#writer = writer;
    this.#run = run;
  }

  /** Writes the status once for each generation and run. A second pass writes nothing. */
  async reconcile(key: ObjectKey, { signal }: ReconcileContext): Promise<Result> {
    counters.passes += 1;
    const widget = this.#store.get(key);
    if (widget === undefined) return {};
    const { metadata, status } = widget;
    if (status?.observedGeneration === metadata.generation && status?.run === this.#run) return {};
    try {
      const next = { observedGeneration: metadata.generation, count: (status?.count ?? 0) + 1, run: this.#run };
      await this.#writer.patchStatus(key, { status: next }, { signal });
    } catch (error) {
      counters.failures += 1;
      throw error;
    }
    counters.patches += 1;
    return {};
  }
}

const { workers, run } = parseArgs({ options: { workers: { type: 'string', default: '8' }, run: { type: 'string', default: '' } } }).values;

function setup(kit: OperatorKit): void {
  const informer = kit.informer(widgets);
  const reconciler = new WidgetReconciler(informer.store, kit.writer(informer), run);
  const controller = kit.controller({ name: 'widget', reconciler, workers: Number(workers) });
  controller.watch(informer, ({ object }) => [keyOf(object)]);
  // Go's runtime gives memory back by itself.
  kit.manager.addService({ name: 'idle memory', run: (signal) => giveBackWhenIdle({ clock: kit.clock }, signal) });
}

const operator = new ProwOperator({
  name: 'bench.example.io/widgets',
  logger: createLogger({ level: 'error', now: () => realClock.now() }),
  setup,
});
process.once('SIGTERM', () => operator.stop());
const lines = createInterface({ input: process.stdin });
lines.on('line', () => process.stdout.write(`${JSON.stringify(counters)}\n`));
lines.once('close', () => operator.stop());
await operator.start();
process.exitCode = (await operator.exited).exitCode;
lines.close();
