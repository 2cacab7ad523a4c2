import { crc32 } from 'node:zlib';
import { NamedError } from '../../contract/errors/named-error.ts';
import { type ArchiveEnd, archiveEndOf, type SetOrder } from '../../contract/records/agent.ts';
import type { SealedSegment } from '../engines/mysql/binlog/segment-draft.ts';
import type { PutObject } from '../stream/put-object.ts';
import type { Notes } from './notes.ts';

const crcHex = (crc: number) => crc.toString(16).padStart(8, '0');

type Parts = { order: SetOrder; notes: Notes; putObject: PutObject; signal: AbortSignal };

/** The note of this archive, if it is of the timeline and epoch that the order names. */
export async function noteOf({ order, notes }: Pick<Parts, 'order' | 'notes'>) {
  const note = await notes.read();
  if (!note || note.timeline !== order.archive?.timeline || note.epoch !== order.archive.epoch)
    return undefined;
  return note;
}

const noteFor = (
  { clusterId, set, archive }: SetOrder,
  newest: ArchiveEnd | null,
  pending: ArchiveEnd | null,
  lost?: string,
) => ({
  v: 1 as const,
  clusterId,
  set,
  timeline: archive!.timeline,
  epoch: archive!.epoch,
  newest,
  pending,
  ...(lost === undefined ? {} : { lost }),
});

/** Notes that this archive cannot go on, and why; an agent that is started again knows it. */
export async function noteLost(
  { order, notes }: Pick<Parts, 'order' | 'notes'>,
  newest: ArchiveEnd | null,
  reason: string,
): Promise<void> {
  await notes.write(noteFor(order, newest, null, reason));
}

/**
 * Stores sealed segments one after the other. Before a segment is sent its bytes and its key are on this host's disk, so
 * that whatever ends the agent in between, the same object is sent again and no second one takes its place.
 */
export function makeStoreSegment(parts: Parts, known: ArchiveEnd | null) {
  const { order, notes, putObject, signal } = parts;
  let newest = known;
  return async ({ key, body, crc, header }: SealedSegment): Promise<void> => {
    const end = archiveEndOf(header, key, crcHex(crc));
    await notes.keep(body);
    await notes.write(noteFor(order, newest, end));
    await putObject({ key, body, crc, signal });
    await notes.write(noteFor(order, end, null));
    await notes.forget();
    newest = end;
  };
}

/**
 * Sends what a dead agent had sealed and perhaps not stored; answers where the archive ends by this host's knowledge.
 * The store's word that the key is there already is good news: keys are random, and only whole objects are stored.
 */
export async function recoverArchive(parts: Parts): Promise<ArchiveEnd | null> {
  const { order, notes, putObject, signal } = parts;
  const after = order.archive?.after ?? null;
  const note = await noteOf(parts);
  if (note === undefined) {
    await notes.forget();
    return after;
  }
  let newest = note.newest;
  if (note.pending !== null) {
    const body = await notes.kept();
    if (body !== undefined && crcHex(crc32(body)) === note.pending.crc) {
      try {
        await putObject({ key: note.pending.key, body, crc: crc32(body), signal });
      } catch (error) {
        if (!(error instanceof NamedError) || error.name !== 'Store.Conflict') throw error;
      }
      newest = note.pending;
      await notes.write(noteFor(order, newest, null, note.lost));
    }
    await notes.forget();
  }
  return (newest?.seq ?? -1) >= (after?.seq ?? -1) ? newest : after;
}
