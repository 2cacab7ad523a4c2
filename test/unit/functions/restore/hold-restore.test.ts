import { beforeEach, describe, expect, it } from 'vitest';
import { makeHandler } from '../../../../functions/restore/hold-restore.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl } from '../../../doubles/memory-control.ts';

const { clusterId, backupId } = example('backup');
const lock = 'target:i-0c2e4f6a8b0d13579:/data2/restore';
const ours = 'arn:aws:states:eu-central-1:111122223333:execution:holdfast-restore:one';
const theirs = 'arn:aws:states:eu-central-1:111122223333:execution:holdfast-restore:two';

let control: MemoryControl;
const hold = (execution: string) => makeHandler(control)({ execution, lock, clusterId, backupId });

beforeEach(async () => {
  control = makeMemoryControl('2026-11-23T09:00:00.000Z');
  await control.backups.apply(example('receipt'));
});

describe('Lock the target and pin the backup', () => {
  it('holds both, with an end to the pin', async () => {
    expect(await hold(ours)).toEqual({ outcome: 'held' });
    expect(await control.locks.get(lock)).toMatchObject({ holder: ours });
    expect(await control.pins.of(clusterId, backupId)).toMatchObject([
      { execution: ours, since: '2026-11-23T09:00:00.000Z', until: '2026-11-24T09:00:00.000Z' },
    ]);
  });

  it('is the same answer for the same execution (F44)', async () => {
    await hold(ours);
    expect(await hold(ours)).toEqual({ outcome: 'held' });
    expect(await control.pins.list()).toHaveLength(1);
  });

  it('refuses a target that another restore holds, naming it, and pins nothing', async () => {
    await hold(theirs);
    expect(await hold(ours)).toMatchObject({
      outcome: 'refused',
      error: {
        name: 'Restore.TargetBusy',
        cause: expect.stringContaining(`held by ${theirs} since 2026-11-23T09`),
      },
    });
    expect((await control.pins.list()).map((pin) => pin.execution)).toEqual([theirs]);
  });

  it('two restores may read one backup', async () => {
    await hold(ours);
    const other = makeHandler(control)({ execution: theirs, lock: `${lock}2`, clusterId, backupId });
    expect(await other).toEqual({ outcome: 'held' });
    expect(await control.pins.of(clusterId, backupId)).toHaveLength(2);
  });

  it('looks again once it is pinned: what began to expire meanwhile is let go (F64)', async () => {
    const receipt = example('receipt');
    const expiring = { ...receipt.backup, state: 'expiring' as const };
    await control.backups.apply({
      ...receipt,
      fact: 'expiring',
      at: '2026-11-23T08:59:59.000Z',
      backup: expiring,
    });
    expect(await hold(ours)).toMatchObject({
      outcome: 'refused',
      error: { name: 'Backup.NotRestorable', cause: expect.stringContaining('became expiring') },
    });
    expect(await control.pins.list()).toEqual([]);
    expect(await control.locks.list()).toEqual([]);
  });
});
