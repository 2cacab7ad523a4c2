import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Manifest } from '../../../contract/formats/manifest.ts';
import { filesOfChain } from '../../../contract/mysql-files/files-of-chain.ts';
import { ancestorsOf, tableNameSchema, tableText } from '../../../contract/mysql-files/relations.ts';
import type { ClusterDocument } from '../../../contract/records/cluster.ts';
import { memberSchema } from '../../../contract/records/cluster.ts';
import { wantedTableSchema } from '../../../contract/records/restore-tables.ts';
import type { Objects } from '../../clients/objects.ts';
import { type Refused, refused } from '../../log/lambda.ts';
import type { RestoreRequest } from '../request.ts';
import { findTables } from './find-tables.ts';
import { indexRows } from './index-rows.ts';
import { nameBeside } from './name-beside.ts';
import { type Reading, readingOf, readingOfDump, readingSchema, sumOf } from './reading.ts';

/** The part of a planned restore that is about single tables. */
export const plannedTablesSchema = z.object({
  wanted: z.array(wantedTableSchema),
  /** Read for their foreign keys, not brought back. */
  ancestors: z.array(tableNameSchema),
  member: memberSchema,
  reading: readingSchema,
  /** Disk that the scratch instance needs, and disk that the tables need beside the live ones. */
  scratchBytes: z.number(),
  liveBytes: z.number(),
});

export type PlannedTables = z.infer<typeof plannedTablesSchema>;

/** The member that takes the tables; a refusal where it is not named, unknown, or on another host than the scratch. */
export function memberFor(
  { into, target }: Pick<RestoreRequest, 'into' | 'target'>,
  document: ClusterDocument,
): ClusterDocument['members'][number] | Refused {
  const members = document.members.map(({ memberId }) => memberId).join(', ');
  if (into === undefined) {
    return refused('Input.Invalid', `into: name the member that takes the tables, one of ${members}`, {
      field: 'into',
    });
  }
  const member = document.members.find(({ memberId }) => memberId === into);
  if (member === undefined) {
    return refused(
      'Input.Invalid',
      `into: ${into} is no member of ${document.clusterId}; there are ${members}`,
      {
        field: 'into',
        value: into,
      },
    );
  }
  if (member.hostId === target.hostId) return member;
  return refused(
    'Input.Invalid',
    `target.hostId: tables are prepared on the host of the member that takes them, ${member.hostId} for ${into} (is ${target.hostId})`,
    { field: 'target.hostId', value: target.hostId },
  );
}

/** Room of the scratch instance beside its files: a tenth for undo, its own redo of 64 MiB, temporary space. */
const scratchNeed = (bytes: number) => Math.ceil(bytes * 1.1) + (64 + 100) * 1024 ** 2;
/** A copied row lies in the imported tablespace, and is written once into the table and once into the log. */
const liveNeed = (bytes: number) => 3 * bytes;

type Streams = Pick<Manifest, 'backupId' | 'streams'>;

/** Rows of the index of a backup's only stream; or why they cannot be read. */
async function rowsOf({ streams }: Streams, objects: Pick<Objects, 'get'>) {
  const [stream, ...more] = streams;
  if (stream === undefined || more.length > 0) {
    return `was taken in ${streams.length} streams, and single tables are read of one; restore the whole, or name a backup whose policy had no fifoStreams`;
  }
  const stored = await objects.get(stream.index.key);
  const sha256 = createHash('sha256')
    .update(stored?.body ?? '')
    .digest('hex');
  if (stored === undefined || sha256 !== stream.index.sha256) {
    return `has not the index that its manifest names (${stream.index.key})`;
  }
  return indexRows(stored.body, stream.stream);
}

/**
 * Which files of a backup, and of those below it in its chain, are read for some of its tables, and what they come to;
 * refused with what is near.
 * @param below the backups that it builds on, base first
 * @param at the instant as of which they come back, for their names
 */
export async function planTables(
  request: Pick<RestoreRequest, 'tables' | 'until'>,
  manifest: Manifest,
  below: readonly Streams[],
  member: PlannedTables['member'],
  objects: Pick<Objects, 'get'>,
  at: string,
): Promise<{ outcome: 'tables'; tables: PlannedTables } | Refused> {
  const found = findTables(request.tables ?? [], manifest.fingerprint.tables);
  if (found.outcome !== 'found') {
    const { field, value, why } = found;
    const name = found.outcome === 'unknown' ? 'Restore.TableUnknown' : 'Restore.TableUnfit';
    return refused(name, `${field}: ${value} ${why}`, { field, value });
  }
  const dumped = manifest.plan.method === 'logical';
  // Rows of a dump stand without those that they point to, until a log is replayed on them (M04).
  const alone = dumped && request.until === undefined;
  const ancestors = alone ? [] : ancestorsOf(found.tables, manifest.relations ?? []);
  const { relations, flavour } = manifest;
  const set = { tables: found.tables, ancestors, relations, flavour };
  const filesOfLink = filesOfChain(set);
  const readings: Reading[] = [];
  for (const link of [manifest, ...below.toReversed()]) {
    const said = link === manifest ? '' : `needs ${link.backupId}, which `;
    const unreadable = (why: string) =>
      refused('Backup.NotRestorable', `backupId: ${manifest.backupId} ${said}${why}`, {
        field: 'backupId',
        value: manifest.backupId,
      });
    const rows = await rowsOf(link, objects);
    if (typeof rows === 'string') return unreadable(rows);
    const { reading, absent, faults, unnumbered } = await (dumped
      ? readingOfDump(set, rows)
      : readingOf(set, rows, filesOfLink));
    readings.push(reading);
    if (faults.length > 0)
      return unreadable(`has an index that is not sound: ${faults.slice(0, 3).join('; ')}`);
    const [first] = absent;
    if (first !== undefined && link === manifest) {
      return refused(
        'Restore.TableUnknown',
        `tables: ${tableText(first)} came while the backup ran and is not in it; choose a later one`,
        { field: 'tables', value: tableText(first) },
      );
    }
    const [space] = unnumbered;
    if (space !== undefined && below.length > 0) {
      return refused(
        'Restore.NotYet',
        `tables: ${link.backupId} was taken by a release whose index does not say which tablespace ${space} is, so that its tables cannot be followed through the chain; name the full ${below[0]?.backupId}, or restore the whole`,
        { field: 'backupId', value: manifest.backupId },
      );
    }
  }
  const reading = sumOf(readings);
  const unpacked = reading.tables.bytes + reading.ancestors.bytes + reading.fixed.bytes;
  return {
    outcome: 'tables',
    tables: {
      wanted: found.tables.map((of) => ({ ...of, as: nameBeside(of.table, at) })),
      ancestors,
      member,
      reading,
      // Rows of a dump are text, and lie in a new server's files.
      scratchBytes: scratchNeed(dumped ? 2 * unpacked : unpacked),
      liveBytes: liveNeed(reading.tables.bytes),
    },
  };
}
