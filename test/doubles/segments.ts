import type { SegmentHeader } from '../../contract/formats/segment.ts';
import { type ArchiveEnd, archiveEndOf } from '../../contract/records/agent.ts';
import { emptyDraft, makeSealer } from '../../runner/engines/mysql/binlog/segment-draft.ts';

export type MadeSegment = { key: string; body: Buffer; crc: string; header: SegmentHeader; end: ArchiveEnd };

/** Who archives, in segments made for tests. */
export type Archiving = {
  clusterId: string;
  set: string;
  timeline: string;
  memberId: string;
  hostId: string;
  epoch: number;
  serverUuid?: string;
};

const seal = makeSealer();

/** The next segment of an archive, as the runner seals it: three transactions of a log that is not there. */
export async function nextSegment(
  by: Archiving,
  before: ArchiveEnd | null,
  sealedAt: string,
  change: { head?: string; from?: number } = {},
): Promise<MadeSegment> {
  const sameServer = (by.serverUuid ?? 'u-1') === (before?.serverUuid ?? 'u-1');
  const from = change.from ?? (sameServer ? (before?.log.to ?? 0) : 500);
  const count = Number(before?.end.gtid.split('-')[2] ?? 0);
  const draft = emptyDraft(from, before?.end.gtid ?? '', null);
  draft.to = from + 300;
  draft.pieces = [Buffer.alloc(300, count & 255)];
  draft.transactions = [1, 2, 3].map((n) => ({
    gtid: `0-1-${count + n}`,
    at: from + (n - 1) * 100,
    bytes: 100,
    time: Date.parse(sealedAt) * 1000 + n,
    tables: [['shop', 'orders']],
    unsure: false,
    xa: null,
  }));
  draft.looks = [{ to: draft.to, at: new Date(sealedAt) }];
  const head = change.head ?? (sameServer ? undefined : '/mJpbg==');
  const { key, body, crc, header } = await seal(draft, {
    clusterId: by.clusterId,
    set: by.set,
    timeline: by.timeline,
    seq: before === null ? 0 : before.seq + 1,
    memberId: by.memberId,
    hostId: by.hostId,
    epoch: by.epoch,
    engine: 'mysql',
    server: { flavour: 'mariadb', version: '10.11.19-MariaDB', uuid: by.serverUuid ?? 'u-1', serverId: 1 },
    log: { file: 'binlog.000001', last: false, checksum: 'crc32', ...(head === undefined ? {} : { head }) },
    endGtid: `0-1-${count + 3}`,
    openAfter: null,
    previous: before && { key: before.key, crc: before.crc },
    sealedAt,
    runnerVersion: 'test',
  });
  const hex = crc.toString(16).padStart(8, '0');
  return { key, body, crc: hex, header, end: archiveEndOf(header, key, hex) };
}

/** So many segments in a row, one minute apart. */
export async function segmentsAfter(
  by: Archiving,
  before: ArchiveEnd | null,
  count: number,
  first: string,
): Promise<MadeSegment[]> {
  const made: MadeSegment[] = [];
  for (let i = 0; i < count; i++) {
    const at = new Date(Date.parse(first) + i * 60_000).toISOString();
    made.push(await nextSegment(by, made.at(-1)?.end ?? before, at));
  }
  return made;
}
