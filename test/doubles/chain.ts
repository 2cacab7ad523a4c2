import type { BackupRecord, Origin } from '../../contract/records/backup.ts';
import { aBackup } from './records.ts';

/** The server and files of member orders-b, as `aCheckResult` shows them where it is asked for. */
export const anOrigin: Origin = {
  uuid: '3e11fa47-71ca-11e1-9e33-c80aa9429562',
  serverId: 2,
  datadir: '/var/lib/mysql',
  files: '131073:1795330792000000000',
};

/**
 * A full `b-0` and `incrementals` on it (`b-1`, …), latest first as the catalog lists them, an hour apart. The n-th one
 * ends at LSN (n + 1) * 1000.
 */
export const aChain = (
  incrementals: number,
  change: (n: number) => Partial<BackupRecord> = () => ({}),
): BackupRecord[] =>
  Array.from({ length: incrementals + 1 }, (_, n): BackupRecord => {
    const at = (minute: number) => `2026-11-22T${String(n).padStart(2, '0')}:0${minute}:00.000Z`;
    return aBackup({
      backupId: `b-${n}`,
      level: n === 0 ? 'full' : 'incremental',
      chain: 'b-0',
      parent: n === 0 ? null : `b-${n - 1}`,
      state: 'verified',
      startedAt: at(0),
      committedAt: at(1),
      verifiedAt: at(1),
      timeline: 'orders-1',
      role: 'replica',
      origin: anOrigin,
      lsn: {
        from: n === 0 ? '0' : String(n * 1000),
        to: String((n + 1) * 1000),
        last: String((n + 1) * 1000 + 5),
      },
      bytes: n === 0 ? 6_000_000_000 : 600_000_000,
      ...change(n),
    });
  }).toReversed();
