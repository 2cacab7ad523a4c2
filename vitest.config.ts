import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // What functions log is of interest where a test fails.
    silent: 'passed-only',
    // No module holds a client or other state, so files of one worker share their imports: half the time.
    isolate: false,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 20_000 } },
      {
        extends: true,
        test: { name: 'properties', include: ['test/properties/**/*.test.ts'], testTimeout: 120_000 },
      },
      {
        extends: true,
        test: {
          name: 'infra',
          include: ['test/infra/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // Real servers, emulators and killed processes: one file at a time has the machine to itself.
          fileParallelism: false,
          maxWorkers: 1,
          passWithNoTests: true,
        },
      },
      {
        test: {
          name: 'journeys',
          include: ['test/journeys/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          maxWorkers: 1,
        },
      },
    ],
  },
});
