import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { BackupOrder } from '../../../../contract/records/job.ts';
import { prepareMemoryBytes } from '../manifest-facts.ts';

/** A server that nobody has used yet: system tables, undo, doublewrite and temporary tablespaces. */
const emptyServerBytes = 200 * 1024 * 1024;

/**
 * What a restore of a dump needs. Room: the tables as they were on disk and a half, since their pages are filled anew
 * and their indexes are sorted; the redo; an empty server. At least the dump's own size, where tables were packed.
 */
export function logicalNeeds(
  order: BackupOrder,
  sizes: { dumpBytes: number; dataBytes: number; redoBytes: number; pageBytes: number; toolVersion: string },
): Manifest['restore'] {
  const from = `s3://${order.site.bucket}/${order.clusterId}/backups/${order.backupId}`;
  const unpack = order.policy.codec === 'zstd' ? 'cat volumes/main/* | zstd -q -d |' : 'cat volumes/main/* |';
  const client = order.flavour === 'mariadb' ? 'mariadb' : 'mysql --commands';
  // A client takes comments out of routines unless it is told; in binary mode it leaves line ends, and reads no other file.
  const load = (script: string, mode = ' --binary-mode') =>
    `(cd DIR && ${client} --comments --max-allowed-packet=1G${mode} < holdfast/${script})`;
  return {
    bytes:
      Math.ceil(Math.max(sizes.dataBytes, sizes.dumpBytes) * 1.5) +
      sizes.redoBytes +
      emptyServerBytes +
      1280 * sizes.pageBytes,
    memoryBytes: prepareMemoryBytes,
    toolVersion: sizes.toolVersion,
    // Into an empty server of the same series or a later one, started with skip-log-bin and max-allowed-packet=1G.
    byHand: [
      `aws s3 cp --recursive ${from}/volumes/main volumes/main`,
      'mkdir DIR',
      `${unpack} tar -x -C DIR`,
      load('1-tables.sql'),
      load('2-rows.sql', ''),
      load('3-code.sql'),
      load('4-accounts.sql'),
    ],
    outsideDatadir: [],
  };
}
