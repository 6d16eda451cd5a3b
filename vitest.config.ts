import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{crds,operator,reconcilers,sandbox,e2e,examples,tools}/**/*.test.ts'],
    environment: 'node',
    testTimeout: 20_000,
    hookTimeout: 20_000,
    pool: 'forks',
    // CI says 1: stories with real processes and real time share a machine there. What needed a second try is printed with "retry x1".
    retry: Number(process.env.TEST_RETRIES ?? 0),
    // Half of the time a story waits for processes and timers.
    maxWorkers: availableParallelism() + 1,
    coverage: {
      provider: 'v8',
      include: ['crds/**', 'operator/**', 'reconcilers/**', 'sandbox/**'],
      exclude: ['**/*.test.ts', '**/testing/**'],
    },
  },
});
