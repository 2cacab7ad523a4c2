import { describe, expect, it } from 'vitest';
import { type Candidate, chooseBackup } from '../../../../functions/restore/restorable.ts';

const backup = (backupId: string, day: number, more: Partial<Candidate> = {}): Candidate => ({
  backupId,
  state: 'verified',
  extra: false,
  startedAt: `2026-11-${day}T01:00:00.000Z`,
  reasons: [],
  ...more,
});
const chosen = (backups: Candidate[], wanted: string, allowSuspect = false) => {
  const choice = chooseBackup('orders', backups, wanted, allowSuspect);
  return choice.outcome === 'chosen' ? choice.backup.backupId : choice.error;
};

describe('choosing the backup to restore', () => {
  const backups = [
    backup('old', 20, { state: 'proven' }),
    backup('good', 21),
    backup('extra', 22, { extra: true }),
    backup('doubtful', 23, { state: 'suspect', reasons: ['bytes 12 % of the median'] }),
    backup('running', 24, { state: 'running' }),
  ];

  it('latest is the newest verified or proven one that is not an extra', () => {
    expect(chosen(backups, 'latest')).toBe('good');
    expect(chosen(backups.slice(0, 1), 'latest')).toBe('old');
    expect(chosen([...backups].reverse(), 'latest')).toBe('good');
  });

  it('latest never is a suspect one, whatever is allowed', () => {
    expect(chosen(backups, 'latest', true)).toBe('good');
    expect(chosen([backups[3]!], 'latest', true)).toMatchObject({ name: 'Backup.Unknown' });
  });

  it('a suspect one is taken by its id and only where that is allowed', () => {
    expect(chosen(backups, 'doubtful', true)).toBe('doubtful');
    expect(chosen(backups, 'doubtful')).toMatchObject({
      name: 'Backup.NotRestorable',
      cause: expect.stringMatching(
        /backupId: doubtful is suspect \(bytes 12 % of the median\).*allowSuspect: true.*good/,
      ),
    });
  });

  it('an extra is taken by its id', () => {
    expect(chosen(backups, 'extra')).toBe('extra');
  });

  it.each(['running', 'failed', 'lost', 'committed', 'quarantined', 'expiring', 'expired'] as const)(
    'a %s one is refused, allowed or not, and the newest good one is named',
    (state) => {
      expect(chosen([...backups, backup('this', 25, { state })], 'this', true)).toMatchObject({
        name: 'Backup.NotRestorable',
        cause: expect.stringContaining('the newest that can be restored is good'),
      });
    },
  );

  it('an unknown id is refused and what there is is named', () => {
    expect(chosen(backups, 'nothing')).toEqual({
      name: 'Backup.Unknown',
      cause:
        'backupId: nothing is no backup of orders; the newest that can be restored is good (verified, started 2026-11-21T01:00:00.000Z)',
      facts: { field: 'backupId', value: 'nothing' },
    });
    expect(chosen([], 'nothing')).toMatchObject({
      cause: expect.stringContaining('orders has no verified backup'),
    });
  });
});
