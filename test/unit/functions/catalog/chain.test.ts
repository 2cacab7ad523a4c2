import { describe, expect, it } from 'vitest';
import type { BackupRecord } from '../../../../contract/records/backup.ts';
import { chainOf } from '../../../../functions/catalog/chain.ts';
import { aChain, anOrigin } from '../../../doubles/chain.ts';

const of = (backups: BackupRecord[], id = backups[0]!.backupId) =>
  chainOf(backups.find((b) => b.backupId === id)!, backups);
const at = (broken: number, change: Partial<BackupRecord>) => aChain(3, (n) => (n === broken ? change : {}));

describe('the chain of a backup', () => {
  it('is its full and every incremental up to it, base first', () => {
    const links = (id: string) => {
      const chain = of(aChain(3), id);
      return chain.outcome === 'whole' ? chain.links.map(({ backupId }) => backupId) : chain.why;
    };
    expect(links('b-0')).toEqual(['b-0']);
    expect(links('b-2')).toEqual(['b-0', 'b-1', 'b-2']);
    expect(links('b-3')).toEqual(['b-0', 'b-1', 'b-2', 'b-3']);
  });

  it.each<[string, BackupRecord[]]>([
    ['b-2 needs b-1, which is not recorded', aChain(3).filter(({ backupId }) => backupId !== 'b-1')],
    ['b-2 needs b-1, which is quarantined', at(1, { state: 'quarantined' })],
    ['b-2 needs b-1, which is suspect', at(1, { state: 'suspect' })],
    ['b-1 needs b-0, which is expiring', at(0, { state: 'expiring' })],
    [
      'b-2 was taken on b-1, but begins at LSN 2001 where its parent ends at 2000',
      at(2, { lsn: { from: '2001', to: '3000', last: '3000' } }),
    ],
    [
      'b-3 was taken on b-2, but is of another server or data directory',
      at(3, { origin: { ...anOrigin, files: 'x' } }),
    ],
    ['b-3 was taken on b-2, but is of server 10.11.7', at(3, { serverVersion: '10.11.7' })],
    [
      'b-3 was taken on b-2, but lies in elsewhere',
      at(3, { site: { site: 's', bucket: 'elsewhere', region: 'r' } }),
    ],
    ['b-3 was taken on b-2, but belongs to chain b-9', at(3, { chain: 'b-9' })],
    [
      'its chain has more than 200 backups',
      at(0, { level: 'incremental', parent: 'b-3', lsn: { from: '4000', to: '1000', last: '1000' } }),
    ],
  ])('F58, M23: has a hole where %s', (why, backups) => {
    expect(of(backups)).toMatchObject({ outcome: 'broken', why: expect.stringContaining(why) });
  });

  it('is whole below a backup that is not verified itself', () => {
    expect(of(at(3, { state: 'suspect' })).outcome).toBe('whole');
  });
});
