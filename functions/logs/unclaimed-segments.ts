import { zstdDecompressSync } from 'node:zlib';
import { NamedError } from '../../contract/errors/named-error.ts';
import { readSegmentHead, segmentHeadBytes } from '../../contract/formats/segment-codec.ts';
import {
  logsPrefix,
  segmentDayPrefix,
  segmentPlaceOf,
  type TimelinePlace,
  timelinePrefix,
} from '../../contract/layout.ts';
import type { SiteRef } from '../../contract/records/backup.ts';
import type { ArchiveRecord, Archives } from '../catalog/archive.ts';
import type { Folders } from '../clients/folders.ts';
import type { Objects, ObjectsOf } from '../clients/objects.ts';

export type UnclaimedSegmentsDeps = {
  archives: Pick<Archives, 'list' | 'ranges' | 'segments'>;
  objectsOf: ObjectsOf;
  folders: Folders;
};

/** Segments that follow what is recorded, or what is on its way into the record: as many as a pass may bring. */
const aheadAtMost = 10_000;

/** Days of a timeline that are compared in one pass: the newest two, and one older, another one in each pass. */
export function daysOfPass(days: readonly string[], turn: number): string[] {
  const sorted = days.toSorted();
  const older = sorted.slice(0, -2);
  return [...sorted.slice(-2), ...(older.length > 0 ? [older[turn % older.length]!] : [])];
}

/**
 * Whether a segment that is not recorded is what an archiver stored and could not report before another one took over:
 * it names by key and CRC32 what only the record and its archiver know. It counts for nothing and is no forgery.
 */
async function isSuperseded(
  objects: Pick<Objects, 'first'>,
  key: string,
  known: ReadonlyMap<string, string>,
) {
  try {
    const head = await objects.first(key, segmentHeadBytes);
    const previous = head && readSegmentHead(head, zstdDecompressSync)?.header.previous;
    return previous ? known.get(previous.key) === previous.crc : false;
  } catch (thrown) {
    if (thrown instanceof NamedError && thrown.name !== 'Store.Denied') return false;
    throw thrown;
  }
}

/** Whether there are exactly so many keys, besides those on their way into the record. */
async function countUpTo(keys: AsyncIterable<string>, ahead: (key: string) => boolean, most: number) {
  let count = 0;
  for await (const key of keys) if (!ahead(key) && ++count > most) return false;
  return count === most;
}

/** Keys and folders of one timeline that no walk has reached. */
async function* ofTimeline(
  deps: UnclaimedSegmentsDeps,
  site: SiteRef,
  place: TimelinePlace,
  record: ArchiveRecord | undefined,
  turn: number,
): AsyncGenerator<string> {
  const current = record?.timeline === place.timeline ? record : undefined;
  const ranges = await deps.archives.ranges(place);
  const objects = deps.objectsOf(site);
  if (ranges.length === 0 && current === undefined) {
    yield* objects.list(timelinePrefix(place));
    return;
  }
  const recorded = new Set(ranges.map(({ day }) => day));
  const stored: string[] = [];
  for await (const day of deps.folders(site, timelinePrefix(place))) stored.push(day);
  // A segment is about to be recorded where it is the next ones' turn.
  const newest = current?.newest?.seq ?? -1;
  const known = segmentPlaceOf(current?.ahead?.[0]?.key ?? '')?.seq ?? newest;
  const ahead = (key: string) => {
    const seq = segmentPlaceOf(key)?.seq;
    return current !== undefined && seq !== undefined && seq > newest && seq <= known + aheadAtMost;
  };
  const strange = stored.filter((day) => !recorded.has(day));
  for (const day of [
    ...daysOfPass(
      stored.filter((of) => recorded.has(of)),
      turn,
    ),
    ...strange,
  ]) {
    const range = ranges.find((of) => of.day === day);
    // Recorded segments are locked: where no more keys lie there than are recorded, none is strange, and their rows
    // (at the shortest interval 20 MB of a day) need not be read.
    if (range && (await countUpTo(objects.list(segmentDayPrefix(place, day)), ahead, range.segments)))
      continue;
    const segments = recorded.has(day) ? await deps.archives.segments(place, day) : [];
    // A rebuilt catalog has the day and finds its segments again when somebody asks for them.
    if (recorded.has(day) && segments.length === 0) continue;
    const known = new Map(segments.map(({ key, crc }) => [key, crc]));
    const own = new Set(known.keys());
    const before = ranges.findLast((of) => of.day < day)?.last;
    if (before) known.set(before.key, before.crc);
    for await (const key of objects.list(segmentDayPrefix(place, day))) {
      if (own.has(key) || ahead(key)) continue;
      if (
        range !== undefined &&
        segmentPlaceOf(key) !== undefined &&
        (await isSuperseded(objects, key, known))
      ) {
        const stored = await objects.head(key);
        known.set(key, stored?.crc32 ?? '');
        continue;
      }
      yield key;
    }
  }
}

/** What lies below a cluster's logs and was never recorded: forged, or left by a catalog that was lost. */
export async function* unclaimedSegments(
  deps: UnclaimedSegmentsDeps,
  clusterId: string,
  site: SiteRef,
  turn: number,
): AsyncGenerator<string> {
  const records = await deps.archives.list(clusterId);
  for await (const set of deps.folders(site, logsPrefix(clusterId))) {
    const record = records.find((of) => of.clusterId === clusterId && of.set === set);
    if (record === undefined) {
      yield* deps.objectsOf(site).list(`${logsPrefix(clusterId)}${set}`);
      continue;
    }
    for await (const timeline of deps.folders(site, `${logsPrefix(clusterId)}${set}/`)) {
      yield* ofTimeline(deps, site, { clusterId, set, timeline }, record, turn);
    }
  }
}
