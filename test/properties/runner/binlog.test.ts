import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NamedError } from '../../../contract/errors/named-error.ts';
import { keptBytes } from '../../../runner/engines/mysql/binlog/event-reader.ts';
import { makeGtidState } from '../../../runner/engines/mysql/binlog/gtid-state.ts';
import { type BinlogTransaction, makeBinlogParser } from '../../../runner/engines/mysql/binlog/parser.ts';
import { makeMysqlLog, payloadOf } from '../../doubles/binlog-writer.ts';

const recorded = (n: number) =>
  zstdDecompressSync(
    readFileSync(join(import.meta.dirname, `../../fixtures/binlog/binlog-10.11.00000${n}.zst`)),
  );

function mysqlLog(): Buffer {
  const log = makeMysqlLog();
  log.previousGtids([]);
  for (let n = 1n; n < 20n; n++) {
    log.gtid({ uuid: '11111111-2222-3333-4444-555555555555', number: n }, Number(n) * 1_000_000);
    log.query('BEGIN');
    log.tableMap('s', `t${n % 3n}`);
    log.rows(Number(n) * 40);
    log.xid();
  }
  return log.bytes();
}

const logs = [
  { flavour: 'mariadb' as const, bytes: recorded(1) },
  { flavour: 'mariadb' as const, bytes: recorded(2) },
  { flavour: 'mysql' as const, bytes: mysqlLog() },
];

/** What comes out of the parser for these pieces, up to what it refused. */
function parse(flavour: 'mariadb' | 'mysql', parts: Buffer[]) {
  const transactions: BinlogTransaction[] = [];
  let failure = '';
  const parser = makeBinlogParser(
    { from: 0, flavour },
    { transaction: (transaction) => void transactions.push(transaction) },
  );
  try {
    for (const part of parts) {
      parser.push(part);
      expect(parser.held()).toBeLessThanOrEqual(keptBytes);
    }
  } catch (error) {
    if (!(error instanceof NamedError)) throw error;
    failure = `${error.name}: ${error.message}`;
  }
  return { transactions, failure, boundary: parser.boundary(), gtid: parser.gtid(), open: parser.open() };
}

const split = (bytes: Buffer, cuts: number[]) => {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((x, y) => x - y), bytes.length];
  return at.slice(1).map((end, n) => bytes.subarray(at[n], end));
};

describe('the binlog parser', () => {
  it('says the same however the log is split', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...logs),
        fc.array(fc.nat(), { maxLength: 40 }),
        ({ flavour, bytes }, cuts) => {
          expect(parse(flavour, split(bytes, cuts))).toEqual(parse(flavour, [bytes]));
        },
      ),
      { numRuns: 300 },
    );
    for (const { flavour, bytes } of logs) {
      const single = [...bytes].map((byte) => Buffer.of(byte));
      expect(parse(flavour, single)).toEqual(parse(flavour, [bytes]));
    }
  });

  it('refuses any flipped bits of a checked log, and nothing before them is other than it was', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...logs),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        ({ flavour, bytes }, where, flip) => {
          const at = where % bytes.length;
          const inUse = at === 21 && flip === 1;
          const damaged = Buffer.from(bytes);
          damaged[at]! ^= flip;
          const clean = parse(flavour, [bytes]);
          const found = parse(flavour, [damaged]);
          if (inUse) expect(found).toEqual(clean);
          // A longer length makes the log end too early, which the reader of a closed file sees at its end.
          else expect(found.failure !== '' || found.boundary < bytes.length).toBe(true);
          expect(found.transactions).toEqual(clean.transactions.slice(0, found.transactions.length));
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('takes a log that is cut off at any byte for what is complete of it', () => {
    for (const { flavour, bytes } of logs) {
      const clean = parse(flavour, [bytes]);
      for (let end = 0; end < bytes.length; end += 3) {
        const found = parse(flavour, [bytes.subarray(0, end)]);
        expect(found.failure).toBe('');
        expect(found.boundary).toBeLessThanOrEqual(end);
        expect(found.transactions).toEqual(clean.transactions.filter((t) => t.at + t.bytes <= end));
      }
    }
  });

  it('looks into hostile payloads, however they come, without ever stopping the log or holding much of it', async () => {
    const inner = makeMysqlLog({ checksum: false });
    inner.query('BEGIN');
    inner.tableMap('s', 't');
    inner.rows(3000);
    inner.xid();
    const good = payloadOf(inner.events());
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => payloadOf(Buffer.from(bytes))),
      fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })).map(([where, flip]) => {
        const bytes = Buffer.from(good);
        bytes[where % bytes.length]! ^= flip;
        return bytes;
      }),
      fc.nat().map((end) => good.subarray(0, end % good.length)),
      fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })).map(([where, flip]) => {
        const bytes = Buffer.from(inner.events());
        bytes[where % bytes.length]! ^= flip;
        return payloadOf(bytes);
      }),
    );
    await fc.assert(
      fc.asyncProperty(hostile, fc.array(fc.nat(), { maxLength: 6 }), async (body, cuts) => {
        const log = makeMysqlLog();
        log.previousGtids([]);
        const uuid = '11111111-2222-3333-4444-555555555555';
        for (const [n, of] of [good, body, good].entries()) {
          log.gtid({ uuid, number: BigInt(n + 1) }, 1_000_000);
          log.payload(of);
        }
        const found: BinlogTransaction[] = [];
        const parser = makeBinlogParser(
          { from: 0, flavour: 'mysql' },
          { looksInto: true, transaction: (transaction) => void found.push(transaction) },
        );
        for (const part of split(log.bytes(), cuts)) {
          parser.push(part);
          await parser.settled();
          expect(parser.held()).toBeLessThanOrEqual(keptBytes);
        }
        expect(found.map(({ gtid }) => gtid)).toEqual([1, 2, 3].map((n) => `${uuid}:${n}`));
        for (const n of [0, 2]) expect(found[n]).toMatchObject({ tables: [['s', 't']], unsure: false });
        // A flip in rows, or in a name, changes what is read; one that loses events is seen.
        expect(found[1]!.unsure || found[1]!.tables.length === 1).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it('keeps a set of MySQL as the set of all numbers, in whatever order they come', () => {
    const source = '11111111-2222-3333-4444-555555555555';
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 1n, max: 60n }), { minLength: 1, maxLength: 60 }), (numbers) => {
        const one = makeGtidState('mysql', '');
        for (const number of numbers) one.add({ source, server: 0, number });
        const sorted = [...new Set(numbers)].sort((x, y) => (x < y ? -1 : 1));
        expect(one.text()).toBe(makeGtidState('mysql', `${source}:${sorted.join(':')}`).text());
      }),
    );
  });
});
