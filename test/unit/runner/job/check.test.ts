import { describe, expect, it } from 'vitest';
import { type CheckOrder, type CheckResult, checkResultSchema } from '../../../../contract/records/job.ts';
import { runCheck } from '../../../../runner/job/check.ts';
import { makeMemoryEngine, makeMemoryServer } from '../../../doubles/memory-engine.ts';
import { makeMemoryRows } from '../../../doubles/memory-rows.ts';
import { runJob } from './job-under-test.ts';
import { checkOrder, queuedRow } from './orders.ts';

const never = async () => {
  throw new Error('not ordered');
};

async function check(order: CheckOrder): Promise<CheckResult> {
  const engine = makeMemoryEngine(makeMemoryServer({ a: ['1'] }));
  const rows = makeMemoryRows([queuedRow('j-1', order)]);
  const { row } = await runJob(rows, 'j-1', () => ({
    check: (given, job) => runCheck(given, job, engine),
    backup: never,
    restore: never,
    'restore-tables': never,
  }));
  return checkResultSchema.parse(row.result);
}

describe('a check job', () => {
  it('tells tools, memory and version of a host on its own', async () => {
    const { member: _, ...host } = checkOrder;
    const result = await check(host);
    expect(result).toMatchObject({
      hostId: 'mi-0abc',
      protocol: 1,
      tools: { memory: '1.0.0', absent: null },
    });
    expect(result.memoryBytes).toBeGreaterThan(64 * 1024 * 1024);
    expect(result).not.toHaveProperty('member');
    expect(result).not.toHaveProperty('target');
  });

  it('tells of the member and of the target that the order names', async () => {
    const target = { hostId: 'mi-0abc', directory: '/nowhere/at/all', port: 13306, user: 'mysql' };
    const result = await check({ ...checkOrder, target });
    expect(result.member).toMatchObject({ memberId: 'db-1', reachable: true });
    expect(result.target).toMatchObject({ directoryState: 'absent', portFree: true });
  });
});
