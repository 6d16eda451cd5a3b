/** Runs the hello operator against the cluster that kubectl would use, until Ctrl-C. */
import { ProwOperator, createLogger, realClock } from '../../operator/runtime/index.ts';
import { setup } from './operator.ts';

const logger = createLogger({ now: () => realClock.now() });
const operator = new ProwOperator({
  name: 'example.io/hello',
  logger,
  lease: { namespace: 'default', name: 'hello-operator' },
  health: {},
  setup,
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => operator.stop());
await operator.start();
process.exitCode = (await operator.exited).exitCode;
