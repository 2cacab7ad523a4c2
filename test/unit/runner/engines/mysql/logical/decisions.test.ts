import { describe, expect, it } from 'vitest';
import type { Fingerprint } from '../../../../../../contract/formats/fingerprint.ts';
import { dumpPosition } from '../../../../../../runner/engines/mysql/logical/dump-position.ts';
import {
  dumpArguments,
  dumperLine,
  saysSnapshotsOpen,
  saysWrong,
} from '../../../../../../runner/engines/mysql/logical/dumper.ts';
import { dumpFaults, keyOf } from '../../../../../../runner/engines/mysql/logical/judge-dump.ts';
import { parseDumpMetadata } from '../../../../../../runner/engines/mysql/logical/metadata.ts';
import {
  type LogicalFacts,
  logicalRefusals,
} from '../../../../../../runner/engines/mysql/logical/refusals.ts';
import { splitIndexes } from '../../../../../../runner/engines/mysql/logical/restore/table-indexes.ts';

const facts: LogicalFacts = {
  flavour: 'mariadb',
  serverVersion: '10.11.19',
  toolVersion: '0.10.0',
  role: 'replica',
  sqlMode: 'STRICT_TRANS_TABLES',
  grants: ['GRANT SELECT, RELOAD, TRIGGER, EVENT, SHOW VIEW ON *.* TO `b`@`localhost`'],
  tables: [{ schema: 'shop', table: 'orders', type: 'BASE TABLE', engine: 'InnoDB' }],
  schemas: ['shop'],
  outsideDatadir: [],
  floatColumns: [],
  invisibleColumns: [],
  backtickColumns: [],
  defaultGenerated: [],
  vectorColumns: [],
  addressColumns: [],
  sharedSpace: [],
  brokenViews: [],
  otherLetters: [],
};
const table = (name: string, engine: string, type = 'BASE TABLE') => ({
  schema: 'shop',
  table: name,
  type,
  engine,
});

describe('M09 a logical backup that would lose something is refused by name', () => {
  it('not where nothing would be lost', () => {
    expect(logicalRefusals(facts)).toEqual([]);
    expect(
      logicalRefusals({ ...facts, tables: [table('a', 'Aria'), table('s', 'InnoDB', 'SEQUENCE')] }),
    ).toEqual([]);
  });

  it.each<[string, Partial<LogicalFacts>, string]>([
    ['there is no tool', { toolVersion: null }, 'mydumper is not on this host'],
    ['a tool nobody has looked at', { toolVersion: '0.16.1' }, 'neither of 0.10 nor of 1.x'],
    ['0.10 on MySQL 8.4', { flavour: 'mysql', serverVersion: '8.4.3' }, 'mydumper 1.x is needed'],
    ['rights', { grants: ['GRANT SELECT, EVENT ON *.* TO `b`@`localhost`'] }, 'lacks TRIGGER, SHOW VIEW'],
    ['a mode that changes strings', { sqlMode: 'ANSI,NO_BACKSLASH_ESCAPES' }, 'NO_BACKSLASH_ESCAPES'],
    ['history', { tables: [table('h', 'InnoDB', 'SYSTEM VERSIONED')] }, 'shop.h keep their history'],
    ['other servers', { tables: [table('f', 'FEDERATED')] }, 'shop.f are of an engine'],
    ['no snapshot on a primary', { role: 'primary', tables: [table('m', 'MyISAM')] }, 'change under a dump'],
    ['FLOAT', { floatColumns: ['shop.t.f'] }, 'six digits'],
    ['invisible columns', { invisibleColumns: ['shop.t.i'] }, 'shop.t.i are invisible'],
    ['backticks', { backtickColumns: ['shop.t.a`b'] }, 'have a backtick in their names'],
    ['defaults taken for generated', { defaultGenerated: ['shop.t.d'] }, 'takes them for generated'],
    ['UUID and INET', { addressColumns: ['shop.t.u'] }, 'come back as NULL'],
    ['spaces that tables share', { sharedSpace: ['shop/t'] }, 'a tablespace that tables share'],
    ['views of nothing', { brokenViews: ['shop.v'] }, 'the views shop.v'],
    ['letters of old clients', { otherLetters: ['shop.p'] }, 'another character set'],
    ['files elsewhere', { outsideDatadir: ['/fast/t.ibd'] }, '/fast/t.ibd lie outside'],
    ['names', { tables: [table('a/b', 'InnoDB')] }, 'has a "/"'],
  ])('%s', (_, changes, reason) => {
    expect(logicalRefusals({ ...facts, ...changes }).join('; ')).toContain(reason);
  });

  it('and defaults, invisible columns and vectors of MySQL only where the tool is of the line that loses them', () => {
    const mysql = { ...facts, flavour: 'mysql' as const, serverVersion: '8.4.3', toolVersion: '1.0.1' };
    expect(logicalRefusals({ ...mysql, defaultGenerated: ['shop.t.d'] })).toEqual([]);
    expect(logicalRefusals({ ...mysql, vectorColumns: ['shop.t.v'] })).toEqual([]);
    expect(logicalRefusals({ ...facts, vectorColumns: ['shop.t.v'] }).join()).toContain('VECTOR');
    expect(logicalRefusals({ ...mysql, invisibleColumns: ['shop.t.i'] })).toEqual([]);
  });
});

describe('mydumper is called by its version', () => {
  const called = {
    defaultsFile: '/w/c.cnf',
    address: { socket: '/s' },
    outputDirectory: '/o',
    threads: 1,
    server: { family: 'mysql' as const, version: '9.7.4-2' },
  };

  it('with triggers, events and routines always, and no lock of its own', () => {
    for (const line of ['0.10', '1.x'] as const) {
      const args = dumpArguments({ ...called, line });
      expect(args).toEqual(
        expect.arrayContaining(['--triggers', '--events', '--routines', '--complete-insert']),
      );
      expect(args[0]).toBe('--defaults-file=/w/c.cnf');
    }
    expect(dumpArguments({ ...called, line: '0.10' })).toContain('--no-locks');
    const args = dumpArguments({ ...called, line: '1.x' });
    expect(args).toEqual(
      expect.arrayContaining([
        '--sync-thread-lock-mode=SAFE_NO_LOCK',
        '--default-character-set=utf8mb4,binary',
        '--threads=2',
      ]),
    );
    expect(args.filter((arg) => /no-locks|replica-data|source-data/.test(arg))).toEqual([]);
    // Told by it, since it takes a server by a comment of whoever packed it.
    expect(args).toContain('--server-version=mysql-9.7.4');
    const server = { family: 'mariadb' as const, version: '10.11.19-MariaDB-0+deb12u1-log' };
    expect(dumpArguments({ ...called, line: '1.x', server })).toContain('--server-version=mariadb-10.11.19');
  });

  it('and what it says is understood', () => {
    expect([dumperLine('0.10.0'), dumperLine('1.0.1'), dumperLine('0.16.1'), dumperLine(null)]).toEqual([
      '0.10',
      '1.x',
      undefined,
      undefined,
    ]);
    const dumping = '** Message: 18:54:33.180: Thread 2 dumping db information for `shop`';
    expect(saysSnapshotsOpen(dumping, '0.10')).toBe(true);
    expect(
      saysSnapshotsOpen('** Message: 18:54:33.177: Thread 1 connected using MySQL connection ID 8', '0.10'),
    ).toBe(false);
    expect(saysSnapshotsOpen('** Message: 19:03:08.177: Transactions started, unlocking tables', '1.x')).toBe(
      true,
    );
    expect(saysWrong('** (mydumper:6592): CRITICAL **: 18:54:33.194: Error: DB: x')).toBe(true);
    expect(saysWrong(dumping)).toBe(false);
  });
});

const written010 = `Started dump at: 2026-11-25 18:55:10
SHOW MASTER STATUS:
\tLog: bin.000001
\tPos: 3015171
\tGTID:0-77-57

SHOW SLAVE STATUS:
\tConnection name: 
\tHost: 127.0.0.1
\tLog: bin.000007
\tPos: 99
\tGTID:0-76-56

Finished dump at: 2026-11-25 18:55:10
`;
const written1 = `# Started dump at: 2026-11-25 19:03:16
[config]
quote-character = BACKTICK

[source]
# Channel_Name = '' # It can be use to setup replication FOR CHANNEL
# executed_gtid_set = "0-77-70"
# SOURCE_LOG_FILE = "bin.000001"
# SOURCE_LOG_POS = 3017360

[replication]
Gtid_Slave_Pos = "0-76-56"
SOURCE_LOG_FILE = "bin.000007"
SOURCE_LOG_POS = 99
# Gtid_Slave_Pos = '0-76-56'

[\`shop\`.\`t\`]
rows = 4
# Finished dump at: 2026-11-25 19:03:17
`;

describe('the position of a dump', () => {
  it('is read from what either line writes', () => {
    expect(parseDumpMetadata(written010)).toEqual({
      written: { file: 'bin.000001', offset: 3015171, gtid: '0-77-57' },
      applied: [{ gtid: '0-76-56' }],
      finished: true,
    });
    expect(parseDumpMetadata(written1)).toEqual({
      written: { file: 'bin.000001', offset: 3017360, gtid: '0-77-70' },
      applied: [{ gtid: '0-76-56' }],
      finished: true,
    });
  });

  it('is missing where it is missing, and a dump that did not finish says so', () => {
    const none = parseDumpMetadata('Started dump at: x\n');
    expect(none).toEqual({ written: undefined, applied: [], finished: false });
  });
});

const fingerprint: Pick<Fingerprint, 'tables' | 'coverage'> = {
  coverage: 'full',
  tables: [{ schema: 'shop', table: 'orders', rows: 3, checksum: '1:2' }],
};
const orders = { schema: 'shop', table: 'orders' };

describe('M01 where a dump stands', () => {
  const said = parseDumpMetadata(written010);
  const before = { kind: 'mysql', flavour: 'mariadb', gtid: '0-76-55' } as const;

  it('is what a server has written, and of a replica of MariaDB what it has applied', () => {
    const place = { kind: 'mysql', flavour: 'mariadb', file: 'bin.000001', offset: 3015171 };
    expect(dumpPosition(said, 'mariadb', false, null)).toEqual({ ...place, gtid: '0-77-57' });
    expect(dumpPosition(said, 'mariadb', true, null)).toEqual({ ...place, gtid: '0-76-56' });
    expect(dumpPosition({ written: undefined, applied: said.applied }, 'mariadb', true, null)).toEqual({
      kind: 'mysql',
      flavour: 'mariadb',
      gtid: '0-76-56',
    });
  });

  it('is told by the server where the tool says nothing of what was applied', () => {
    expect(dumpPosition({ ...said, applied: [] }, 'mariadb', true, before)).toMatchObject({
      gtid: '0-76-55',
      file: 'bin.000001',
    });
  });

  it('is one set on MySQL, whatever was applied, and none where nobody told', () => {
    const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
    const written = { file: 'b.000002', offset: 7, gtid: `${uuid.toUpperCase()}:1-3:4` };
    expect(dumpPosition({ written, applied: [{ gtid: `${uuid}:1` }] }, 'mysql', true, null)).toEqual({
      kind: 'mysql',
      flavour: 'mysql',
      gtid: `${uuid}:1-4`,
      file: 'b.000002',
      offset: 7,
    });
    expect(dumpPosition({ written: undefined, applied: [] }, 'mariadb', true, null)).toBeNull();
  });
});

describe('a dump is whole', () => {
  const seen = {
    rows: new Map([[keyOf(orders), 3]]),
    defined: new Set([keyOf(orders)]),
    unknown: [],
    cut: [],
    metadata: parseDumpMetadata(written010),
  };
  const position = { gtid: '', file: 'bin.000001' };
  const expected = { tables: [orders], positionNeeded: true, position };
  const faults = (changes: object = {}, wanted: object = {}, print: object = {}) =>
    dumpFaults(
      { ...seen, ...changes },
      { ...expected, ...wanted },
      { ...fingerprint, ...print },
      () => true,
    ).join('; ');

  it('when every table is there with the rows of the snapshot, at a position', () => {
    expect(faults()).toBe('');
    expect(faults({}, { position: { gtid: '0-76-56' } })).toBe('');
    expect(faults({}, { position: null, positionNeeded: false })).toBe('');
  });

  it.each<[string, object, object, string]>([
    ['rows are missing', { rows: new Map([[keyOf(orders), 2]]) }, {}, 'has 2 rows in the dump and 3'],
    ['a table is missing', { defined: new Set() }, {}, 'has no file in the dump'],
    ['a file is of nothing', { unknown: ['x.sql'] }, {}, 'x.sql is of no table'],
    ['a file was cut', { cut: ['shop.orders.sql'] }, {}, 'ends within a statement'],
    ['there is no metadata', { metadata: undefined }, {}, 'no finished metadata'],
    ['M09 nobody told a position', {}, { position: null }, 'has no position'],
  ])('not when %s', (_, changes, wanted, reason) => {
    expect(faults(changes, wanted)).toContain(reason);
  });

  it('and of a table that was read in ranges at least those rows must be there', () => {
    const ranges = { tables: [{ ...fingerprint.tables[0]!, rows: 3, ranges: [] }] };
    expect(faults({ rows: new Map([[keyOf(orders), 4]]) }, {}, ranges)).toBe('');
    expect(faults({ rows: new Map([[keyOf(orders), 2]]) }, {}, ranges)).toContain('at least 3');
  });
});

describe('indexes are added after the rows', () => {
  const definition = (lines: string[], options = ') ENGINE=InnoDB') => ({
    schema: 'shop',
    name: 'o',
    sql: `CREATE TABLE \`o\` (\n${lines.map((line) => `  ${line}`).join(',\n')}\n${options}`,
  });

  it('but for keys that keep rows apart and checks', () => {
    const split = splitIndexes(
      definition(
        [
          '`id` int(11) NOT NULL AUTO_INCREMENT',
          "`n` varchar(9) DEFAULT NULL COMMENT 'KEY `x` (`y`)'",
          'PRIMARY KEY (`id`)',
          'UNIQUE KEY `u` (`n`)',
          'KEY `by n` (`n`)',
          'FULLTEXT KEY `w` (`n`)',
          'CONSTRAINT `f``k` FOREIGN KEY (`n`) REFERENCES `p` (`n`)',
          'CONSTRAINT `c` CHECK (`id` > 0)',
        ],
        ') ENGINE=InnoDB\n PARTITION BY HASH (`id`)',
      ),
    );
    expect(split.create).toContain(
      'UNIQUE KEY `u` (`n`),\n  CONSTRAINT `c` CHECK (`id` > 0)\n) ENGINE=InnoDB\n PARTITION',
    );
    expect(split.create).not.toContain('FULLTEXT');
    expect(split.add).toBe(
      'ALTER TABLE `shop`.`o`\n  ADD KEY `by n` (`n`),\n  ADD FULLTEXT KEY `w` (`n`),\n  ADD CONSTRAINT `f``k` FOREIGN KEY (`n`) REFERENCES `p` (`n`)',
    );
  });

  it('and at once where a counter needs one of them', () => {
    const whole = definition([
      '`id` int(11) NOT NULL AUTO_INCREMENT',
      '`a` int(11) NOT NULL',
      'PRIMARY KEY (`a`,`id`)',
      'KEY `id` (`id`)',
    ]);
    expect(splitIndexes(whole)).toEqual({ create: whole.sql, add: undefined });
  });
});
