import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  type BinlogStart,
  type BinlogTransaction,
  makeBinlogParser,
} from '../../../../../../runner/engines/mysql/binlog/parser.ts';
import { makeMysqlLog, payloadOf } from '../../../../../doubles/binlog-writer.ts';

const recorded = (n: number, of = '10.11') =>
  zstdDecompressSync(
    readFileSync(join(import.meta.dirname, `../../../../../fixtures/binlog/binlog-${of}.00000${n}.zst`)),
  );

function read(bytes: Buffer, start: BinlogStart = { from: 0, flavour: 'mariadb' }, step = bytes.length) {
  const transactions: BinlogTransaction[] = [];
  const seen = { head: '', next: '', held: 0 };
  const parser = makeBinlogParser(start, {
    transaction: (transaction) => void transactions.push(transaction),
    head: ({ gtid }) => {
      seen.head = gtid;
    },
    rotate: (file) => {
      seen.next = file;
    },
  });
  for (let i = 0; i < bytes.length; i += step) {
    expect(parser.push(bytes.subarray(i, i + step))).toBe(Math.min(step, bytes.length - i));
    seen.held = Math.max(seen.held, parser.held());
  }
  return { transactions, ...seen, parser };
}

const of = (transactions: BinlogTransaction[], gtid: string) => {
  const found = transactions.find((t) => t.gtid === gtid);
  if (!found) throw new Error(`no transaction ${gtid}`);
  return found;
};

describe('the binlog parser at real logs of MariaDB 10.11', () => {
  it('reads every file to its end, each beginning where the one before stood', () => {
    let before = '';
    const counts = [1, 2, 3, 4].map((n) => {
      const bytes = recorded(n);
      const { transactions, head, next, parser } = read(bytes);
      expect(head).toBe(before);
      expect(parser.boundary()).toBe(bytes.length);
      expect(parser.open()).toBeNull();
      expect(next).toBe(n < 4 ? `binlog.00000${n + 1}` : '');
      before = parser.gtid();
      return transactions.length;
    });
    expect(counts).toEqual([14, 18, 3, 2]);
    expect(before).toBe('0-5-36,7-5-1');
  });

  it('reads events that do not say where they end, as MariaDB writes them from 11.4 on', () => {
    const bytes = Buffer.from(recorded(1));
    const written = read(recorded(1)).transactions;
    let unplaced = 0;
    for (let at = 4; at < bytes.length; at += bytes.readUInt32LE(at + 9)) {
      // Of rows: what is written to a transaction's cache.
      if (![19, 23, 24, 25, 160].includes(bytes[at + 4]!)) continue;
      const sum = at + bytes.readUInt32LE(at + 9) - 4;
      bytes.writeUInt32LE(0, at + 13);
      bytes.writeUInt32LE(crc32(bytes.subarray(at, sum)), sum);
      unplaced++;
    }
    expect(unplaced).toBeGreaterThan(0);
    expect(read(bytes).transactions).toEqual(written);
  });

  it('names definitions and what they touch', () => {
    const { transactions } = read(recorded(1));
    expect(transactions.map(({ ddl, tables }) => [ddl, ...tables.map((t) => t.join('.'))])).toEqual([
      ['create database', 'shop.*'],
      ['create table', 'shop.t'],
      [undefined, 'shop.t'],
      [undefined, 'shop.t'],
      ['create table', 'shop.ctas'],
      ['create table', 'shop.my'],
      [undefined, 'shop.my'],
      ['create view', 'shop.v', 'shop.t', 'shop.ctas', 't.id'],
      ['rename table', 'shop.ctas', 'shop.other', 'shop.my', 'shop.mine'],
      ['truncate table', 'shop.other'],
      ['alter table', 'shop.t'],
      ['create index', 'shop.other'],
      ['create user', 'mysql.*'],
      ['grant', 'mysql.*'],
    ]);
    expect(transactions.some(({ unsure }) => unsure)).toBe(false);
  });

  it('tells XA, statements, compressed events, domains and other servers apart', () => {
    const { transactions } = read(recorded(2));
    expect(transactions.filter(({ xa }) => xa).map(({ gtid, xa }) => [gtid, xa!.id, xa!.does])).toEqual([
      ['0-5-15', "X'616263',X'62',3", 'prepare'],
      ['0-5-16', "X'616263',X'62',3", 'commit'],
      ['0-5-17', "X'72',X'',1", 'prepare'],
      ['0-5-18', "X'72',X'',1", 'rollback'],
    ]);
    expect(transactions.filter(({ unsure }) => unsure).map(({ gtid }) => gtid)).toEqual(['0-5-20', '0-5-21']);
    expect(transactions.map(({ gtid }) => gtid)).toEqual(expect.arrayContaining(['7-5-1', '0-99-22']));
    expect(of(transactions, '0-5-26')).toMatchObject({ ddl: 'create table', tables: [['shop', 'packed']] });
    expect(of(transactions, '0-5-23').tables).toEqual([['shop', 't']]);
  });

  it('begins at any boundary with the state of there', () => {
    const bytes = recorded(2);
    const whole = read(bytes);
    const at = of(whole.transactions, '0-5-23').at;
    const format = whole.parser.format()!;
    const rest = read(bytes.subarray(at), { from: at, flavour: 'mariadb', gtid: '0-99-22,7-5-1', format });
    expect(rest.transactions).toEqual(whole.transactions.slice(9));
    expect(rest.parser.gtid()).toBe(whole.parser.gtid());
  });

  it('stops at the transaction it is told to, wherever the bytes are split', () => {
    const bytes = recorded(2);
    for (const step of [1, 7, 1000, bytes.length]) {
      const parser = makeBinlogParser(
        { from: 0, flavour: 'mariadb' },
        { transaction: ({ gtid }) => (gtid === '7-5-1' ? 'stop' : undefined) },
      );
      let i = 0;
      for (let full = true; full; ) {
        const part = bytes.subarray(i, i + step);
        const taken = parser.push(part);
        i += taken;
        full = taken === part.length && parser.boundary() !== 2087;
      }
      expect([i, parser.boundary(), parser.gtid()]).toEqual([2087, 2087, '0-5-21,7-5-1']);
    }
  });

  it('holds no more of a large event than 64 KiB, and still checks it', () => {
    const bytes = recorded(4);
    expect(read(bytes, undefined, 4096).held).toBeLessThanOrEqual(64 * 1024);
    const damaged = Buffer.from(bytes);
    damaged[200_000]! ^= 1;
    expect(() => read(damaged, undefined, 4096)).toThrow(/checksum of an event \(writeRowsV1\)/);
  });

  it('knows at the end of a torn file what is complete', () => {
    const bytes = recorded(1);
    const { parser, transactions } = read(bytes.subarray(0, 1200));
    expect(parser.boundary()).toBe(877);
    expect(parser.open()).toEqual({ gtid: '0-5-4', at: 877 });
    expect(transactions.at(-1)!.gtid).toBe('0-5-3');
  });

  it('refuses by name what it does not read', () => {
    const encrypted = Buffer.from('fd62696e', 'hex');
    expect(() => read(encrypted)).toThrow(expect.objectContaining({ name: 'Log.Encrypted' }));
    expect(() => read(Buffer.from('PK\x03\x04'))).toThrow(expect.objectContaining({ name: 'Log.Damaged' }));
    expect(() => read(recorded(1), { from: 0, flavour: 'mysql' })).toThrow(
      expect.objectContaining({ name: 'Log.Unsupported' }),
    );
  });
});

const a = '11111111-2222-3333-4444-555555555555';
const b = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee';
const mysql: BinlogStart = { from: 0, flavour: 'mysql' };

describe('the binlog parser at logs of MySQL, written by the published layout', () => {
  it('reads sets of GTIDs, times of commits, transactions and definitions', () => {
    const log = makeMysqlLog();
    log.previousGtids([
      [
        a,
        [
          [1n, 4n],
          [7n, 7n],
        ],
      ],
      [b, [[1n, 1n]]],
    ]);
    log.gtid({ uuid: a, number: 5n }, 1_764_000_000_123_456);
    log.query('BEGIN', 'shop');
    log.tableMap('shop', 'orders');
    log.rows(100);
    log.query('COMMIT');
    log.gtid({ uuid: a, number: 6n }, 1_764_000_001_000_000);
    log.query('BEGIN');
    log.tableMap('shop', 'items');
    log.rows(200_000);
    log.xid();
    log.gtid({ uuid: b, number: 3n }, 1_764_000_002_000_000);
    log.query('DROP TABLE IF EXISTS `a``b`, other.`c` /* no more */', 'shop');
    log.rotate('binlog.000008');
    const { transactions, head, next, parser } = read(log.bytes(), mysql, 1000);
    expect(head).toBe(`${a}:1-4:7,${b}:1`);
    expect(parser.gtid()).toBe(`${a}:1-7,${b}:1:3`);
    expect(next).toBe('binlog.000008');
    expect(parser.boundary()).toBe(log.at());
    expect(transactions.map(({ gtid, time, tables, ddl }) => [gtid, time, ddl, tables])).toEqual([
      [`${a}:5`, 1_764_000_000_123_456, undefined, [['shop', 'orders']]],
      [`${a}:6`, 1_764_000_001_000_000, undefined, [['shop', 'items']]],
      [
        `${b}:3`,
        1_764_000_002_000_000,
        'drop table',
        [
          ['shop', 'a`b'],
          ['other', 'c'],
        ],
      ],
    ]);
  });

  it('reads anonymous transactions, logs without checksums, XA, and payloads it does not look into', () => {
    const log = makeMysqlLog({ checksum: false });
    log.previousGtids([]);
    log.gtid(null, 5_000_000);
    log.query("XA START X'6b',X'',1");
    log.tableMap('s', 't');
    log.rows(10);
    log.query("XA END X'6b',X'',1");
    log.raw(38, Buffer.from('00010000000100000000000000' + '6b', 'hex'));
    log.gtid(null, 6_000_000);
    log.query("XA ROLLBACK X'6b',X'',1");
    log.gtid(null, 7_000_000);
    log.payload(Buffer.alloc(500, 1));
    log.stop();
    const { transactions, parser } = read(log.bytes(), mysql);
    expect(transactions.map(({ gtid, xa, unsure }) => [gtid, xa?.id, xa?.does, unsure])).toEqual([
      ['', "X'6b',X'',1", 'prepare', false],
      ['', "X'6b',X'',1", 'rollback', false],
      ['', undefined, undefined, true],
    ]);
    expect(parser.gtid()).toBe('');
    expect(parser.boundary()).toBe(log.at());
  });

  it('refuses transactions without an end, events outside of transactions, and types it does not know', () => {
    const torn = makeMysqlLog();
    torn.previousGtids([]);
    torn.gtid({ uuid: a, number: 1n }, 1);
    torn.query('BEGIN');
    torn.stop();
    expect(() => read(torn.bytes(), mysql)).toThrow(/has no end before the event stop/);
    const stray = makeMysqlLog();
    stray.previousGtids([]);
    stray.rows(10);
    expect(() => read(stray.bytes(), mysql)).toThrow(/belongs to no transaction/);
    const strange = makeMysqlLog();
    strange.previousGtids([]);
    strange.raw(99, Buffer.alloc(4));
    expect(() => read(strange.bytes(), mysql)).toThrow(expect.objectContaining({ name: 'Log.Unsupported' }));
    const lost = makeMysqlLog();
    lost.previousGtids([]);
    lost.raw(26, Buffer.alloc(4));
    expect(() => read(lost.bytes(), mysql)).toThrow(expect.objectContaining({ name: 'Log.DeadBranch' }));
  });
});

describe('compressed transactions of MySQL', () => {
  type Log = ReturnType<typeof makeMysqlLog>;
  const inside = (write: (log: Log) => void): Buffer => {
    const log = makeMysqlLog({ checksum: false });
    write(log);
    return log.events();
  };
  /** Two tables, and rows that no compressor makes smaller. */
  const rows = (bytes: number) =>
    inside((log) => {
      log.query('BEGIN');
      log.tableMap('shop', 'orders');
      for (let left = bytes; left > 0; left -= 100_000) log.raw(30, randomBytes(Math.min(left, 100_000)));
      log.tableMap('shop', 'items');
      log.rows(50);
      log.xid();
    });
  const both = [
    ['shop', 'orders'],
    ['shop', 'items'],
  ];
  const looked = async (body: Buffer, step = 1024 * 1024) => {
    const log = makeMysqlLog();
    log.previousGtids([]);
    log.gtid({ uuid: a, number: 1n }, 1_764_000_000_000_000);
    log.payload(body);
    log.rotate('binlog.000002');
    const found: BinlogTransaction[] = [];
    const parser = makeBinlogParser(mysql, {
      looksInto: true,
      transaction: (transaction) => void found.push(transaction),
    });
    const bytes = log.bytes();
    let held = 0;
    for (let i = 0; i < bytes.length; i += step) {
      parser.push(bytes.subarray(i, i + step));
      await parser.settled();
      held = Math.max(held, parser.held());
    }
    expect(parser.boundary()).toBe(bytes.length);
    expect(held).toBeLessThanOrEqual(64 * 1024);
    expect(found.map(({ gtid }) => gtid)).toEqual([`${a}:1`]);
    return found[0]!;
  };

  it.each([
    ['a small one, in one piece', 200, 1024 * 1024],
    ['a small one, byte by byte', 200, 1],
    ['one as large as what is held of any event', 65_300, 5000],
    ['one larger than a read', 3_000_000, 1024 * 1024],
    ['one larger than a read, in small pieces', 1_500_000, 10_000],
  ])('are looked into: %s', async (_, bytes, step) => {
    expect(await looked(payloadOf(rows(bytes)), step)).toMatchObject({ tables: both, unsure: false });
  });

  it('are looked into where they were left as they are, and name definitions', async () => {
    const events = inside((log) => log.query('CREATE TABLE copied (id INT)', 'shop'));
    const plain = payloadOf(events, 3, events);
    // Compression 255: not at all.
    const none = Buffer.concat([Buffer.of(2, 3, 252, 255, 0), plain.subarray(3)]);
    expect(await looked(none)).toMatchObject({
      ddl: 'create table',
      tables: [['shop', 'copied']],
      unsure: false,
    });
  });

  it('stay unsure where they cannot be read, and the log goes on', async () => {
    const events = rows(2_000_000);
    const good = payloadOf(events);
    const stored = zstdCompressSync(events);
    const damaged = Buffer.from(good);
    damaged.fill(0xff, 10, 60);
    const nested = inside((log) => log.payload(payloadOf(rows(10))));
    for (const [n, body] of [
      damaged,
      payloadOf(events, 3, stored.subarray(0, -100)),
      payloadOf(events.subarray(0, -20)),
      payloadOf(Buffer.concat([events, Buffer.alloc(40)])),
      payloadOf(randomBytes(4000)),
      payloadOf(Buffer.alloc(20_000_000)),
      payloadOf(nested),
      Buffer.from('07', 'hex'),
      Buffer.alloc(100_000, 9),
      Buffer.of(0),
      Buffer.of(2, 1, 7, 0),
    ].entries()) {
      expect([n, (await looked(body)).unsure]).toEqual([n, true]);
    }
    // A frame of one raw block (RFC 8878) that asks for a window of 32 MiB: more than is held for one; 16 are not.
    const small = rows(1000);
    const framed = (windowLog: number) => {
      const block = Buffer.alloc(3);
      block.writeUIntLE((small.length << 3) | 1, 0, 3);
      return Buffer.concat([
        Buffer.from('28b52ffd00', 'hex'),
        Buffer.of((windowLog - 10) << 3),
        block,
        small,
      ]);
    };
    expect(await looked(payloadOf(small, 3, framed(24)))).toMatchObject({ tables: both, unsure: false });
    const wide = payloadOf(small, 3, framed(25));
    expect((await looked(wide)).unsure).toBe(true);
  });
});

describe('the binlog parser at real logs of MySQL 9.7', () => {
  const one = 'd7b58969-e924-11f1-a9eb-02fc00000001';
  const other = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
  const mysql = { from: 0, flavour: 'mysql' } as const;

  it('reads GTIDs with tags, the moments of their commits, and what is before a file', () => {
    const first = read(recorded(2, '9.7-tags'), mysql);
    expect(first.transactions.map(({ gtid, time }) => [gtid, time])).toEqual([
      [`${one}:3`, 1795647989092618],
      [`${one}:nightly:1`, 1795647989096247],
      [`${one}:nightly:2`, 1795647989096901],
      [`${one}:a_longer_tag_of_many_characters1:1`, 1795647989097883],
      [`${one}:4`, 1795647989104170],
    ]);
    const between = `${one}:1-4:a_longer_tag_of_many_characters1:1:nightly:1-2`;
    expect(first.parser.gtid()).toBe(between);
    const second = read(recorded(3, '9.7-tags'), mysql, 1);
    expect(second.head).toBe(between);
    expect(second.transactions.map(({ gtid }) => gtid)).toEqual([`${one}:5`, `${other}:x:1000000000000`]);
    expect(second.parser.gtid()).toBe(`${other}:x:1000000000000,${between.replace('1-4', '1-5')}`);
  });

  it('refuses a GTID with a tag that ends within one of its fields', () => {
    const bytes = recorded(2, '9.7-tags');
    for (const length of [30, 60]) {
      const event = Buffer.from(bytes.subarray(471, 471 + length));
      event.writeUInt32LE(length, 9);
      event.writeUInt32LE(471 + length, 13);
      event.writeUInt32LE(crc32(event.subarray(0, -4)), length - 4);
      const cut = Buffer.concat([bytes.subarray(0, 471), event]);
      expect(() => read(cut, mysql)).toThrow(/taggedGtid is too short/);
    }
  });
});
