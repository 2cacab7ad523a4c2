import { describe, expect, it } from 'vitest';
import { filesOfChain } from '../../../../../contract/mysql-files/files-of-chain.ts';
import { compareTables } from '../../../../../runner/engines/compare-fingerprints.ts';
import { missingSpaceOf } from '../../../../../runner/engines/mysql/restore/prepare.ts';
import { missingForTables, wayOf } from '../../../../../runner/engines/mysql/tables/live-member.ts';
import { rowTextQuery } from '../../../../../runner/engines/mysql/tables/row-text.ts';
import { isLeftOut } from '../../../../../runner/engines/mysql/tables/table-set.ts';
import { faultsOfSet } from '../../../../../runner/engines/mysql/tables/unpack.ts';
import { aManifest } from '../../../../doubles/records.ts';

const orders = { schema: 'shop', table: 'orders', as: 'orders_restored' };
const set = { tables: [orders], ancestors: [{ schema: 'shop', table: 'customers' }] };
const relations = [{ schema: 'shop', table: 'orders', fullText: '0000000000000013' }];

const listed = (...files: { path: string; space?: number }[]) =>
  async function* () {
    yield* files;
  };

describe('what prepare may miss of some tables', () => {
  const absent = (path: string, how: (path: string) => string) => missingSpaceOf(how(path))!;
  const withRedo = (path: string) =>
    `2026-11-25 18:59:18 0 [Warning] InnoDB: Tablespace 18 was not found at ${path} when restoring a (partial?) backup. All redo log for this file will be ignored!`;
  const without = (path: string) =>
    `2026-11-25 19:25:36 0 [Note] InnoDB: Tablespace 7 was not found at '${path}', but there were no modifications either.`;

  it('M19 is what was left out, by both of its sentences, and nothing that was read', async () => {
    const found = await filesOfChain({ ...set, relations })(listed());
    const leftOut = isLeftOut(found, false);
    for (const how of [withRedo, without]) {
      expect(absent('./shop/odd when restoring.ibd', how).path).toBe('shop/odd when restoring.ibd');
      expect(leftOut(absent('./other/big.ibd', how))).toBe(true);
      expect(leftOut(absent('./shop/FTS_000000000000001f_CONFIG.ibd', how))).toBe(true);
      for (const path of [
        'shop/orders.ibd',
        'shop/orders#P#p0.ibd',
        'shop/customers.ibd',
        'shop/FTS_0000000000000013_CONFIG.ibd',
        'mysql/gtid_slave_pos.ibd',
        'undo001',
      ]) {
        expect(leftOut(absent(`./${path}`, how))).toBe(false);
      }
    }
    expect(missingSpaceOf('[ERROR] InnoDB: Tablespace 7 was not found at ./shop/x.ibd.')).toBeUndefined();
  });

  it('M19 is of a chain what has another number than the set, however it is called in the redo of then', async () => {
    const found = await filesOfChain({ ...set, relations })(
      listed({ path: 'shop/orders.ibd.meta', space: 18 }),
    );
    const leftOut = isLeftOut(found, true);
    expect(leftOut(absent('./shop/orders.ibd', without))).toBe(true);
    expect(leftOut(absent('./shop/renamed_since.ibd', withRedo))).toBe(false);
    expect(leftOut(absent('./mysql/gtid_slave_pos.ibd', without))).toBe(false);
  });
});

describe('the files that were found for some tables', () => {
  const needed = ['ib_logfile0', 'backup-my.cnf', 'xtrabackup_info', 'xtrabackup_checkpoints'];
  const frms = ['shop/orders.frm', 'shop/customers.frm'];
  const faults = (paths: string[]) =>
    faultsOfSet(
      [...set.tables, ...set.ancestors],
      {
        ...aManifest(),
        restore: { ...aManifest().restore, bytes: 1000 },
        metrics: { ...aManifest().metrics, files: 20 },
      },
      paths.map((path) => ({ path, bytes: 10 })),
    );

  it('are refused where a definition or what the server needs is missing', () => {
    expect(faults([...needed, ...frms])).toEqual([]);
    expect(faults([...needed, 'shop/orders.frm'])).toEqual(['the definition of shop.customers is missing']);
    expect(faults([...needed.slice(1), ...frms])).toEqual(['ib_logfile0 is missing']);
  });

  it('F71 are refused where they climb, point out, take the names of a restore, or are more than the backup', () => {
    expect(faults([...needed, ...frms, 'mysql/../../etc/x.frm'])).toHaveLength(1);
    expect(faults([...needed, ...frms, 'mysql/t.isl'])[0]).toContain('points to a file outside');
    expect(faults([...needed, ...frms, 'my.cnf'])[0]).toContain('a name that a restore uses itself');
    const many = Array.from({ length: 120 }, (_, i) => `mysql/t${i}.frm`);
    expect(faults([...needed, ...frms, ...many])).toEqual([
      '1260 bytes, where the whole backup needs 1000',
      '126 files, where the whole backup has 20',
    ]);
  });

  it('hold what was renamed while the tool ran', async () => {
    const paths = ['shop/a.ren', 'shop/a.ibd', 'shop/b.ibd'];
    const { roleOf } = await filesOfChain({ ...set, relations })(listed(...paths.map((path) => ({ path }))));
    expect(paths.map(roleOf)).toEqual(['fixed', 'fixed', undefined]);
  });
});

describe('the files that are read of a chain', () => {
  const chain = async (...links: { path: string; space?: number }[][]) => {
    const filesOfLink = filesOfChain({ ...set, relations });
    const found = [];
    for (const files of links.toReversed()) {
      const { roleOf, unnumbered, isOfSet } = await filesOfLink(listed(...files));
      const numbers = [5, 7, 9, 12].filter(isOfSet);
      found.unshift({ read: files.map(({ path }) => path).filter(roleOf), unnumbered, numbers });
    }
    return found;
  };
  const full = (name: string, space: number) => [{ path: `${name}.ibd`, space }, { path: `${name}.frm` }];
  const increment = (name: string, space: number) => [
    { path: `${name}.ibd.meta`, space },
    { path: `${name}.ibd.delta` },
    { path: `${name}.frm` },
  ];

  it('are those of a tablespace under whatever name it had, and of the table under its own', async () => {
    const [base, middle, last] = await chain(
      [...full('shop/old', 7), ...full('shop/orders', 5), ...full('shop/x', 9), { path: 'ibdata1' }],
      [...increment('side/between', 7), ...increment('shop/orders', 5), ...increment('shop/x', 9)],
      [...increment('shop/orders', 7), ...increment('shop/x', 9), { path: 'ibdata1.delta' }],
    );
    expect(last!.read).toEqual([
      'shop/orders.ibd.meta',
      'shop/orders.ibd.delta',
      'shop/orders.frm',
      'ibdata1.delta',
    ]);
    expect(middle!.read).toEqual([
      'side/between.ibd.meta',
      'side/between.ibd.delta',
      ...['shop/orders.ibd.meta', 'shop/orders.ibd.delta', 'shop/orders.frm'],
    ]);
    expect(base!.read).toEqual(['shop/old.ibd', 'shop/orders.ibd', 'shop/orders.frm', 'ibdata1']);
    // What was called orders before is another table in the end.
    expect([base!.numbers, middle!.numbers, last!.numbers]).toEqual([[5, 7], [5, 7], [7]]);
  });

  it('are those of an exchanged partition too, and none below for what came later', async () => {
    const [base] = await chain(
      [...full('shop/loaded', 7), ...full('shop/orders#P#p0', 5), ...full('shop/x', 9)],
      [
        ...increment('shop/orders#P#p0', 7),
        ...increment('shop/loaded', 5),
        ...increment('shop/orders#P#p1', 12),
      ],
    );
    expect(base!.read).toEqual(['shop/loaded.ibd', 'shop/orders#P#p0.ibd', 'shop/orders#P#p0.frm']);
  });

  it('are not told where an index does not number the tablespaces', async () => {
    const [base] = await chain([
      { path: 'shop/orders.ibd' },
      { path: 'shop/x.ibd' },
      { path: 'shop/orders.frm' },
    ]);
    expect(base!.unnumbered).toEqual(['shop/orders.ibd']);
  });
});

describe('whether a member takes tables', () => {
  it('M05 is decided by who follows it: a log or a follower means rows through SQL', () => {
    const variables = { log_bin: 'OFF', innodb_file_per_table: 'ON' };
    expect(wayOf({ variables, dumpThreads: 0 })).toBe('import');
    expect(wayOf({ variables: { ...variables, log_bin: 'ON' }, dumpThreads: 0 })).toBe('copy');
    expect(wayOf({ variables, dumpThreads: 1 })).toBe('copy');
    expect(wayOf({ variables: { ...variables, innodb_file_per_table: 'OFF' }, dumpThreads: 0 })).toBe('copy');
    expect(wayOf({ variables: {}, dumpThreads: 0 })).toBe('copy');
  });

  it('reads grants on everything and on schemas, with their wildcards and escapes', () => {
    const to = 'TO `b`@`localhost`';
    expect(missingForTables([`GRANT ALL PRIVILEGES ON *.* ${to} WITH GRANT OPTION`], 'shop')).toEqual([]);
    expect(missingForTables([`GRANT SELECT, INSERT, CREATE ON *.* ${to}`], 'shop')).toEqual([
      'ALTER',
      'DROP',
    ]);
    const some = [`GRANT SELECT ON *.* ${to}`, `GRANT INSERT, CREATE, ALTER, DROP ON \`sh\\_p%\`.* ${to}`];
    expect(missingForTables(some, 'sh_p1')).toEqual([]);
    expect(missingForTables(some, 'shop')).toEqual(['INSERT', 'CREATE', 'ALTER', 'DROP']);
    expect(missingForTables([`GRANT ALL PRIVILEGES ON \`odd \`\`?b\`.* ${to}`], 'odd `?b')).toEqual([]);
    expect(missingForTables([`GRANT ALL PRIVILEGES ON \`shop\`.\`orders\` ${to}`], 'shop')).toHaveLength(5);
    const nearest = [`GRANT ALL PRIVILEGES ON \`sh%\`.* ${to}`, `GRANT SELECT, INSERT ON \`sho_\`.* ${to}`];
    expect(missingForTables(nearest, 'shop')).toEqual(['CREATE', 'ALTER', 'DROP']);
    expect(missingForTables(nearest, 'shed')).toEqual([]);
  });
});

describe('rows as text', () => {
  it('refuses a type that it does not know, by column and type', () => {
    expect(() => rowTextQuery([{ name: 'x', type: 'xmltype' }], 't', 10)).toThrow(
      'column x is of type xmltype',
    );
  });
});

describe('comparing some tables', () => {
  const table = (name: string, rows: number, checksum: string) => ({
    schema: 'shop',
    table: name,
    rows,
    checksum,
  });
  const fingerprint = (tables: ReturnType<typeof table>[]) => ({ ...aManifest().fingerprint, tables });

  it('M08 is exact for a table that stood still while another was written to', () => {
    const manifest = {
      comparison: 'bounded' as const,
      fingerprintBefore: fingerprint([table('still', 3, '1:1'), table('busy', 5, '2:2')]),
      fingerprint: fingerprint([table('still', 3, '1:1'), table('busy', 6, '3:3')]),
    };
    expect(compareTables(manifest, [table('still', 3, '1:1')])).toEqual({
      comparison: 'exact',
      differences: [],
    });
    expect(compareTables(manifest, [table('still', 3, '9:9')]).differences).toEqual([
      'shop.still: other contents in its 3 rows',
    ]);
    expect(compareTables(manifest, [table('busy', 5, '8:8')])).toEqual({
      comparison: 'bounded',
      differences: [],
    });
    expect(
      compareTables({ ...manifest, comparison: 'exact' }, [table('busy', 5, '8:8')]).differences,
    ).toHaveLength(1);
    expect(compareTables(manifest, [table('other', 1, '1:1')]).differences).toEqual([
      'shop.other was not in the backup',
    ]);
  });
});
