import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import type { SegmentIndex } from '../../../contract/formats/segment.ts';
import { brokenLink } from '../../../contract/formats/segment-chain.ts';
import {
  readSegmentHead,
  readSegmentIndex,
  type SegmentParts,
} from '../../../contract/formats/segment-codec.ts';
import { segmentPlaceOf } from '../../../contract/layout.ts';
import { type ArchiveEnd, archiveEndOf, type SetOrder } from '../../../contract/records/agent.ts';
import type { MariadbServer } from '../../../infra/local/mariadb.ts';
import { makeArchiver } from '../../../runner/agent/archiver.ts';
import { makeClock } from '../../../runner/host/clock.ts';
import { makeRunChild } from '../../../runner/host/run-child.ts';
import type { S3Server } from '../../doubles/s3-server.ts';
import { storeAt } from '../../unit/runner/stream/at-double.ts';
import { memberOf } from './mysql-jobs.ts';

/** An order to archive this server, as control would write it. */
export const archiveOrder = (
  server: MariadbServer,
  archive: Partial<NonNullable<SetOrder['archive']>> = {},
): SetOrder => ({
  clusterId: 'shop',
  set: 'main',
  flavour: 'mariadb',
  member: memberOf(server),
  site: { site: 'home', bucket: 'vault', region: 'eu-west-1' },
  archive: {
    timeline: 't-1',
    epoch: 1,
    // Shorter than an order may say, so that tests do not wait.
    intervalSeconds: 0.2,
    segmentBytes: 65536,
    after: null,
    anchor: null,
    ...archive,
  },
});

/** The archiver of one order, as the agent runs it; its ticks are the test's. */
export function archiverAt(s3: S3Server, order: SetOrder, directory: string) {
  const stop = new AbortController();
  const lines: string[] = [];
  const workDir = join(directory, 'work');
  mkdirSync(workDir, { recursive: true });
  const archiver = makeArchiver(order, {
    hostId: 'mi-0abc',
    runnerVersion: 'test',
    clock: makeClock(),
    context: {
      workDir,
      runChild: makeRunChild({}),
      readSecret: async () => '',
      log: (message, facts) => void lines.push(`${message} ${JSON.stringify(facts)}`),
      progress: () => {},
      signal: stop.signal,
    },
    stateDirectory: join(directory, 'state'),
    openStore: () => storeAt(s3),
    stored: () => {},
  });
  const state = () => archiver.report().archive!;
  return {
    ...archiver,
    lines,
    state,
    /** The agent is killed: whatever it does ends where it is. */
    kill: () => stop.abort(new Error('killed')),
    /** Ticks until everything that is in the log now is stored. */
    drained: async (seconds = 20) => {
      const from = new Date().toISOString();
      for (const until = Date.now() + seconds * 1000; (state().durableAt ?? '') <= from; ) {
        if (Date.now() > until) throw new Error(`not archived in time: ${JSON.stringify(archiver.report())}`);
        await archiver.tick();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
  };
}

export type ReadSegment = {
  key: string;
  header: SegmentParts['header'];
  index: SegmentIndex;
  log: Buffer;
  end: ArchiveEnd;
};

/** The segments of a timeline in the order of their numbers, each read in full. */
export function segmentsIn(s3: S3Server, timeline: string): ReadSegment[] {
  const keys = [...s3.objects.keys()].filter((key) => segmentPlaceOf(key)?.timeline === timeline).sort();
  return keys
    .map((key) => {
      const { bytes, crc } = s3.objects.get(key)!;
      const parts = readSegmentHead(bytes, zstdDecompressSync)!;
      const index = readSegmentIndex(bytes.subarray(parts.index.from, parts.index.to), zstdDecompressSync);
      const log = Buffer.concat(
        parts.log.map(({ from, to }) => zstdDecompressSync(bytes.subarray(from, to))),
      );
      const end = archiveEndOf(parts.header, key, Buffer.from(crc, 'base64').toString('hex'));
      return { key, header: parts.header, index, log, end };
    })
    .sort((a, b) => a.header.seq - b.header.seq);
}

/** Throws where the segments are not one chain from the first on. */
export function expectChain(segments: readonly ReadSegment[]): void {
  segments.forEach(({ header, key }, i) => {
    const before = segments[i - 1]?.end;
    const broken = before
      ? brokenLink(before, header)
      : header.previous && 'the first one names one before it';
    if (broken) throw new Error(`${key}: ${broken}`);
  });
}

/** The log files that the segments make, by server and name. */
export function filesOf(segments: readonly ReadSegment[]): Map<string, Buffer> {
  const files = new Map<string, Buffer[]>();
  for (const { header, log } of segments) {
    const name = `${header.server.serverId}/${header.log.file}`;
    files.set(name, [...(files.get(name) ?? []), log]);
  }
  return new Map([...files].map(([name, parts]) => [name, Buffer.concat(parts)]));
}

/** What `zstd` and `tail` make of one segment, as the page of formats says. */
export const byHand = (bytes: Buffer): Buffer => {
  const all = execFileSync('zstd', ['-dcq'], { input: bytes, maxBuffer: 1024 ** 3 });
  return all.subarray(all.indexOf(10, all.indexOf(10) + 1) + 1);
};
