import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { XbstreamEvent, XbstreamFlavour } from '../../runner/engines/mysql/xbstream/events.ts';
import { keptFileLimit } from '../../runner/engines/mysql/xbstream/kept-content.ts';
import { bufferedLimit, makeXbstreamParser } from '../../runner/engines/mysql/xbstream/parser.ts';
import { chunkOf, smallMariadbStream, smallPerconaStream } from '../doubles/xbstream-writer.ts';

const streams = { mariadb: smallMariadbStream(), percona: smallPerconaStream() };
const flavour = fc.constantFrom<XbstreamFlavour[]>('mariadb', 'percona');

function parse(kind: XbstreamFlavour, parts: Buffer[]) {
  const events: XbstreamEvent[] = [];
  const parser = makeXbstreamParser(kind, (event) => events.push(event));
  for (const part of parts) {
    if (parser.push(part) === undefined) expect(parser.crc()).toBe(crc32(part));
    expect(parser.state().bufferedBytes).toBeLessThanOrEqual(bufferedLimit[kind] + keptFileLimit);
  }
  const { failure, files, streamBytes, midChunk } = parser.state();
  return { events, failure, files: [...files], streamBytes, midChunk };
}

function split(stream: Buffer, cuts: number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  return at.slice(1).map((end, n) => stream.subarray(at[n], end));
}

describe('the xbstream parser', () => {
  it('says the same however the stream is split', () => {
    fc.assert(
      fc.property(flavour, fc.array(fc.nat(), { maxLength: 60 }), (kind, cuts) => {
        expect(parse(kind, split(streams[kind], cuts))).toEqual(parse(kind, [streams[kind]]));
      }),
      { numRuns: 300 },
    );
    for (const kind of ['mariadb', 'percona'] as const) {
      const bytes = [...streams[kind]].map((byte) => Buffer.of(byte));
      expect(parse(kind, bytes)).toEqual(parse(kind, [streams[kind]]));
    }
  });

  it('refuses a damaged stream at the same place however it is split', () => {
    fc.assert(
      fc.property(
        flavour,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.array(fc.nat(), { maxLength: 30 }),
        (kind, at, flip, cuts) => {
          const damaged = Buffer.from(streams[kind]);
          damaged[at % damaged.length]! ^= flip;
          const whole = parse(kind, [damaged]);
          const parts = parse(kind, split(damaged, cuts));
          expect(parts.failure).toEqual(whole.failure);
          expect(parts.events).toEqual(whole.events);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('gives back the files that were written, interleaved in any order', () => {
    const name = fc.stringMatching(/^[a-z0-9_@#]{1,12}$/);
    const path = fc.oneof(
      name,
      fc.tuple(name, name).map(([db, file]) => `${db}/${file}.ibd`),
    );
    const file = fc.record({
      path,
      parts: fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 5 }),
    });
    const files = fc.uniqueArray(file, { maxLength: 8, selector: (one) => one.path });
    fc.assert(
      fc.property(
        flavour,
        files,
        fc.infiniteStream(fc.nat()),
        fc.array(fc.nat(), { maxLength: 20 }),
        (kind, wanted, order, cuts) => {
          const queues = wanted.map(({ path, parts }) => {
            let offset = 0;
            const chunks = parts.map((part) => {
              const chunk = chunkOf.payload(path, part, offset);
              offset += part.length;
              return chunk;
            });
            return [...chunks, chunkOf.end(path)];
          });
          const written: Buffer[] = [];
          for (let left = queues; left.length > 0; left = left.filter((queue) => queue.length > 0)) {
            written.push(left[order.next().value! % left.length]!.shift()!);
          }
          const stream = Buffer.concat(written);
          const { events, failure, files } = parse(kind, split(stream, cuts));
          expect(failure).toBeUndefined();
          expect(new Set(files.map(([path]) => path))).toEqual(new Set(wanted.map(({ path }) => path)));
          for (const { path, parts } of wanted) {
            const content = events
              .filter((event) => event.kind === 'chunk')
              .filter((event) => event.path === path)
              .map((event) => stream.subarray(event.streamOffset, event.streamOffset + event.length));
            expect(Buffer.concat(content).equals(Buffer.concat(parts))).toBe(true);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(flavour, fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 5 }), (kind, parts) => {
        const start = Buffer.from('XBSTCK01\0P');
        parse(kind, [start, ...parts.map((part) => Buffer.from(part))]);
      }),
      { numRuns: 500 },
    );
  });
});
