import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { NamedError } from '../../../../../contract/errors/named-error.ts';
import { makeLockBudget } from '../../../../../runner/engines/mysql/lock-budget.ts';
import { isFileLine, saysRedoOverrun, stageOf } from '../../../../../runner/engines/mysql/stages.ts';

describe('the lock budget', () => {
  let aborted: NamedError[];
  let seconds: number;
  const budget = () =>
    makeLockBudget(
      { commitSeconds: 5, ddlSeconds: 60 },
      (error) => aborted.push(error),
      () => seconds,
    );
  beforeEach(() => {
    vi.useFakeTimers();
    aborted = [];
    seconds = 0;
  });
  afterEach(() => void vi.useRealTimers());

  it('M06 ends a tool that blocks commits for longer than the policy allows', () => {
    const watch = budget();
    watch.enter('ddl');
    watch.enter('commit');
    vi.advanceTimersByTime(4999);
    expect(aborted).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(aborted).toHaveLength(1);
    expect(aborted[0]).toMatchObject({
      name: 'Backup.LockBudget',
      facts: { field: 'lockBudgetSeconds', value: 5, blocked: 'commits' },
    });
  });

  it('F14 ends a tool that blocks DDL for longer than the policy allows, and counts from the first request', () => {
    const watch = budget();
    watch.enter('ddl');
    vi.advanceTimersByTime(30_000);
    watch.enter('ddl');
    vi.advanceTimersByTime(30_000);
    expect(aborted.map((error) => error.facts.field)).toEqual(['ddlLockBudgetSeconds']);
  });

  it('is over once the tool says so, and tells how long it took', () => {
    const watch = budget();
    watch.enter('start');
    watch.enter('ddl');
    seconds = 2;
    watch.enter('commit');
    seconds = 3;
    watch.enter('unlocked');
    vi.advanceTimersByTime(100_000);
    expect(aborted).toEqual([]);
    expect(watch.seconds()).toEqual({ commit: 1, ddl: 3 });
  });

  it('is over when the tool ends without saying so', () => {
    const watch = budget();
    watch.enter('commit');
    watch.end();
    vi.advanceTimersByTime(100_000);
    expect(aborted).toEqual([]);
  });
});

describe('a line of mariadb-backup', () => {
  it.each([
    ['[00] 2026-11-23 05:25:49 Starting BACKUP STAGE START', 'start'],
    ['[00] 2026-11-23 05:25:49 aria table file ./mysql/time_zone.MAI is copied successfully.', 'ending-copy'],
    ['[00] 2026-11-23 05:25:49 Starting BACKUP STAGE FLUSH', 'ddl'],
    ['[00] 2026-11-23 05:25:49 Started BACKUP STAGE BLOCK_DDL', 'ddl'],
    ['[00] 2026-11-23 05:25:49 Starting BACKUP STAGE BLOCK_COMMIT', 'commit'],
    ['[00] 2026-11-23 05:25:49 All tables unlocked', 'unlocked'],
    ['[00] 2026-11-23 05:25:49 Finished BACKUP STAGE FLUSH', undefined],
    ['[01] 2026-11-23 05:25:49 aria table file ./shop/t.MAI is copied successfully.', undefined],
  ])('tells the stage: %s', (line, stage) => {
    expect(stageOf(line)).toBe(stage);
  });

  it('M07 tells that redo was overwritten', () => {
    expect(saysRedoOverrun('[00] FATAL ERROR: Was only able to copy log from 44404 to 1000, not 2000')).toBe(
      true,
    );
    expect(saysRedoOverrun('[00] 2026 Redo log (from LSN 10 to 20) was copied.')).toBe(false);
  });

  it('is left out of the log when it only names a file', () => {
    expect(isFileLine('[01] 2026-11-23 05:28:14 Streaming ./mysql/gtid_slave_pos.ibd')).toBe(true);
    expect(isFileLine('[01] 2026-11-23 05:28:14         ...done')).toBe(true);
    expect(isFileLine('[00] 2026-11-23 05:25:49 All tables unlocked')).toBe(false);
  });
});
