import { describeJobRows } from '../../../doubles/job-rows-contract.ts';
import { makeMemoryRows } from '../../../doubles/memory-rows.ts';

describeJobRows('in memory', async () => {
  const rows = makeMemoryRows();
  return { rows, write: async (row) => void rows.rows.set(row.jobId, structuredClone(row)) };
});
