import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, zstdDecompressSync } from 'node:zlib';
import { NamedError } from '../../contract/errors/named-error.ts';
import type { SegmentHeader } from '../../contract/formats/segment.ts';
import { readSegmentHead } from '../../contract/formats/segment-codec.ts';
import { timelinePrefix } from '../../contract/layout.ts';
import type { LogOrder, SegmentRef } from '../../contract/records/log-order.ts';
import type { ArchivedLog, EngineContext } from '../engines/engine.ts';
import { crcHex } from '../stream/crc.ts';
import type { Store } from '../stream/store.ts';

/** A segment has at most 64 MiB of log (contract/records/agent.ts), and its header and index. */
const largestSegment = 96 * 1024 * 1024;
/** Each holds one segment in memory, stored and decompressed. */
const walkers = 4;

const damaged = (key: string, why: string) =>
  new NamedError('Restore.StreamDamaged', `${key} ${why}`, { key });

/**
 * The archived log that an order names. Every segment is the one whose key and CRC32 the order or the segment after it
 * names: hosts can write segments, so that nothing else of them is believed.
 */
export function archivedLog(
  order: LogOrder,
  clusterId: string,
  store: Pick<Store, 'getSmallObject'>,
  context: Pick<EngineContext, 'signal' | 'progress' | 'log'>,
): ArchivedLog {
  const prefix = timelinePrefix({ clusterId, set: order.set, timeline: order.timeline });
  return {
    from: order.from,
    until: order.until,
    fetch: async (directory) => {
      const found = new Map<number, string>();
      let bytes = 0;
      /** The first one ends the others, which write into a directory that is about to go. */
      let failure: { error: unknown } | undefined;

      const fetchOne = async ({ key, crc }: SegmentRef): Promise<SegmentHeader> => {
        if (!key.startsWith(prefix)) throw damaged(key, `does not lie below ${prefix}`);
        const body = await store.getSmallObject({ key, most: largestSegment, signal: context.signal });
        if (crcHex(crc32(body)) !== crc) {
          throw damaged(key, `has the CRC32 ${crcHex(crc32(body))}; ${crc} is recorded`);
        }
        const header = readSegmentHead(body, zstdDecompressSync)?.header;
        if (header === undefined) throw damaged(key, 'has no whole header');
        if (found.has(header.seq)) throw damaged(key, `bears the number ${header.seq} of another segment`);
        if (found.size >= order.segments)
          throw damaged(key, `is more than the ${order.segments} of the order`);
        const path = join(directory, String(header.seq).padStart(12, '0'));
        found.set(header.seq, path);
        await writeFile(path, body, { mode: 0o600, flag: 'wx' });
        bytes += header.log.to - header.log.from;
        context.progress('fetching the log', bytes, order.bytes);
        return header;
      };

      /** From one named segment back to the next one, or to the first. */
      const walk = async (at: SegmentRef, next: SegmentRef | undefined): Promise<void> => {
        for (let ref = at; failure === undefined; ) {
          const { previous } = await fetchOne(ref);
          if (ref.key === order.first) return;
          if (previous === null)
            throw damaged(ref.key, `is the first of its timeline; ${order.first} is due`);
          if (previous.key === next?.key && previous.crc === next.crc) return;
          ref = previous;
        }
      };

      const todo = order.ends.map((end, i) => () => walk(end, order.ends[i + 1]));
      await Promise.all(
        Array.from({ length: walkers }, async () => {
          for (let next = todo.shift(); next !== undefined; next = todo.shift()) {
            await next().catch((error: unknown) => {
              failure ??= { error };
            });
          }
        }),
      );
      if (failure !== undefined) throw failure.error;
      if (found.size !== order.segments) {
        throw damaged(order.first, `is reached by ${found.size} segments, ${order.segments} are due`);
      }
      context.log('log fetched', { segments: found.size, bytes });
      return [...found].sort(([a], [b]) => a - b).map(([, path]) => path);
    },
  };
}
