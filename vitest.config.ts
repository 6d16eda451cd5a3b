import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{crds,operator,reconcilers,sandbox,e2e,examples,tools}/**/*.test.ts'],
    environment: 'node',
    testTimeout: 20_000,
    hookTimeout: 20_000,
    pool: 'forks',
    // Half of the time a story waits for processes and timers.
    maxWorkers: availableParallelism() + 1,
    coverage: {
      provider: 'v8',
      include: ['crds/**', 'operator/**', 'reconcilers/**', 'sandbox/**'],
      exclude: ['**/*.test.ts', '**/testing/**'],
    },
  },
});
