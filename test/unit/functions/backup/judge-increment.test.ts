import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeManifest } from '../../../../contract/formats/codec.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { BackupRecord } from '../../../../contract/records/backup.ts';
import { judgeIncrement } from '../../../../functions/backup/judge-increment.ts';
import { confirmedSuspect, judgeMetrics } from '../../../../functions/backup/judge-metrics.ts';
import { aChain, anOrigin } from '../../../doubles/chain.ts';
import { aBackup, aManifest, anOrder } from '../../../doubles/records.ts';

const stored = (lsn: Manifest['lsn']) => Buffer.from(encodeManifest(aManifest({ backupId: 'b-1', lsn })));
const parentManifest = stored({ from: '1000', to: '2000', last: '2005' });
const recorded = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const [parent] = aChain(1, () => ({ manifestSha256: recorded(parentManifest) })) as [BackupRecord];
const { serverVersion = '', toolVersion = '' } = parent;
const increment = { links: ['b-0', 'b-1'], fromLsn: '2000', origin: anOrigin, serverVersion, toolVersion };
const plan = { ...anOrder().plan, level: 'incremental' as const, chain: 'b-0', parent: 'b-1', increment };
const order = anOrder({ backupId: 'b-2', plan });
const taken = (change: Partial<Manifest> = {}): Manifest =>
  aManifest({
    backupId: 'b-2',
    plan,
    lsn: { from: '2000', to: '3000', last: '3005' },
    server: { ...aManifest().server, ...anOrigin, version: serverVersion },
    tool: { ...aManifest().tool, version: toolVersion },
    ...change,
  });
const server = (change: Partial<Manifest['server']>) => taken({ server: { ...taken().server, ...change } });

describe('an incremental and its parent', () => {
  it('go on where the parent ends, on the same server and files', () => {
    expect(judgeIncrement(taken(), order, parent, parentManifest)).toBeUndefined();
  });

  it.each<[string, Manifest, BackupRecord | undefined]>([
    [
      'it begins at LSN 1999, where 2000 is due',
      taken({ lsn: { from: '1999', to: '3000', last: '3000' } }),
      parent,
    ],
    [
      'it begins at LSN 0, where 2000 is due',
      taken({ lsn: { from: '0', to: '3000', last: '3000' } }),
      parent,
    ],
    ['it begins at LSN unknown', taken({ lsn: null }), parent],
    ['it is of server another', server({ uuid: 'another' }), parent],
    [
      'it is of server 3e11fa47-71ca-11e1-9e33-c80aa9429562, id 2, /data',
      server({ datadir: '/data' }),
      parent,
    ],
    ['(9:9), the parent of', server({ files: '9:9' }), parent],
    ['it is of server unknown', server({ files: undefined }), parent],
    ['M23', server({ version: '10.11.7' }), parent],
    ['that one is suspect', taken(), { ...parent, state: 'suspect' }],
    ['that one is not recorded', taken(), undefined],
  ])('do not belong together where %s', (why, manifest, known) => {
    const fault = judgeIncrement(manifest, order, known, parentManifest);
    expect(fault?.name).toBe('Backup.ChainBroken');
    expect(fault?.cause).toContain(why === 'M23' ? 'it is of server 10.11.7 and tool' : why);
  });
});

describe('the record of a parent', () => {
  const forged = (to: string) => ({ ...parent, lsn: { from: '1000', to, last: to } });
  const from = (lsn: string) =>
    [
      taken({ lsn: { from: lsn, to: '3000', last: '3005' } }),
      anOrder({ backupId: 'b-2', plan: { ...plan, increment: { ...increment, fromLsn: lsn } } }),
    ] as const;

  it('that was forged is found by its manifest, whatever was ordered and taken by it', () => {
    expect(judgeIncrement(...from('2500'), forged('2500'), parentManifest)).toMatchObject({
      name: 'Backup.ChainBroken',
      cause: expect.stringContaining('its record says that it ends at LSN 2500, its manifest says another'),
    });
    const other = stored({ from: '1000', to: '2500', last: '2500' });
    for (const manifest of [other, undefined]) {
      expect(judgeIncrement(...from('2500'), forged('2500'), manifest)).toMatchObject({
        cause: expect.stringContaining('its manifest is not the one that was recorded'),
      });
    }
  });
});

describe('the metrics of an incremental', () => {
  const good = aChain(3, () => ({ tables: 100, rows: 1000 }));
  const measured = (change: Partial<Manifest['metrics']>, backupId = 'b-9') => ({
    ...taken({ backupId, startedAt: '2026-11-23T09:00:00.000Z', fingerprintBefore: undefined }),
    metrics: { ...taken().metrics, tables: 100, rows: 1000, bytes: 600_000_000, ...change },
  });

  it('are its tables and rows, against every good backup; never its bytes, which are what has changed', () => {
    expect(judgeMetrics(measured({ bytes: 5_000 }), good, 50)).toEqual([]);
    expect(judgeMetrics(measured({ bytes: 50_000_000_000 }), good, 50)).toEqual([]);
    expect(judgeMetrics(measured({ rows: 499 }), good.slice(3), 50).join()).toContain('it has 499 rows');
    expect(judgeMetrics(measured({ tables: 49 }), good, 50).join()).toContain('it has 49 tables');
  });

  it('do not stand beside those of a full', () => {
    const full = { ...measured({ bytes: 6_100_000_000 }), plan: anOrder().plan };
    expect(judgeMetrics(full, good, 50)).toEqual([]);
    expect(
      judgeMetrics({ ...full, metrics: { ...full.metrics, bytes: 600_000_000 } }, good, 50).join(),
    ).toContain('it has 600000000 bytes');
  });

  it('that are suspect are confirmed by the full that was ordered, when it shows the same', () => {
    const suspect = aBackup({ ...aChain(4)[0], state: 'suspect', tables: 100, rows: 300 });
    const full = { ...measured({ rows: 305, bytes: 6_000_000_000 }), plan: anOrder().plan };
    expect(confirmedSuspect(full, [suspect, ...good], 50)).toMatchObject({
      backupId: 'b-4',
      reason: expect.stringContaining('(rows below)'),
    });
    const whole = { ...full, metrics: { ...full.metrics, rows: 1000 } };
    expect(confirmedSuspect(whole, [suspect, ...good], 50)).toBeUndefined();
  });
});
