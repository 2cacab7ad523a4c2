import { describe, expect, it } from 'vitest';
import type { CheckResult } from '../../../../contract/records/job.ts';
import { restoreOrderSchema } from '../../../../contract/records/job.ts';
import { makeHandler } from '../../../../functions/restore/fit-restore.ts';
import { type PlannedRestore, planOf } from '../../../../functions/restore/plan-restore.ts';
import { example } from '../../../doubles/examples.ts';

const manifest = example('manifest');
manifest.restore.bytes = 7.4e9;
manifest.metrics.bytes = 6.2e9;
const target = { hostId: 'i-0c2e4f6a8b0d13579', directory: '/data2/restore', port: 3316, user: 'mysql' };
const planned = planOf(
  example('backup'),
  [{ manifest, manifestSha256: 'a'.repeat(64) }],
  target,
  'job-check-1',
);

type Found = {
  target?: Partial<NonNullable<CheckResult['target']>>;
  tools?: CheckResult['tools'];
  protocol?: number;
  abilities?: string[];
};
function fitted(found: Found = {}, plan: PlannedRestore = planned) {
  const check = example('result-check');
  const answered = {
    ...check,
    protocol: found.protocol ?? check.protocol,
    tools: found.tools ?? check.tools,
    ...(found.abilities ? { abilities: found.abilities } : {}),
    target: { ...check.target, ...found.target },
  };
  return makeHandler({ mintJobId: () => 'job-restore-1' })({ planned: plan, check: answered });
}
const refusal = async (found: Found) => {
  const answer = await fitted(found);
  if (answer.outcome !== 'refused') throw new Error('was not refused');
  return answer.error;
};

describe('Decide whether the target fits', () => {
  it('orders the restore on an absent or empty directory', async () => {
    for (const directoryState of ['absent', 'empty'] as const) {
      const answer = await fitted({ target: { directoryState } });
      expect(answer).toMatchObject({
        outcome: 'fits',
        jobId: 'job-restore-1',
        hostId: target.hostId,
        deadlineSeconds: 24 * 3600,
      });
      if (answer.outcome !== 'fits') return;
      expect(restoreOrderSchema.parse(answer.order)).toMatchObject({
        target,
        manifestSha256: 'a'.repeat(64),
        site: planned.site,
      });
    }
  });

  it('refuses a disk that is too small, saying how the need comes about (F68)', async () => {
    expect(await refusal({ target: { freeBytes: 3.19e9 } })).toEqual({
      name: 'Restore.NoSpace',
      cause:
        'target.directory: /data2/restore has 3.1 GB free; this backup needs 7.4 GB (unpacked 6.2 GB, prepare 1.2 GB)',
      facts: { field: 'target.directory' },
    });
  });

  it('takes a disk that has just enough', async () => {
    expect(await fitted({ target: { freeBytes: 7.4e9 } })).toMatchObject({ outcome: 'fits' });
    expect((await refusal({ target: { freeBytes: 7.4e9 - 1 } })).name).toBe('Restore.NoSpace');
  });

  it('refuses a directory that holds anything, naming some of it; there is no force (F67)', async () => {
    expect(
      await refusal({ target: { directoryState: 'not-empty', entries: ['ibdata1', 'a b'] } }),
    ).toMatchObject({
      name: 'Restore.DirectoryNotEmpty',
      cause:
        'target.directory: /data2/restore holds "ibdata1", "a b"; name a directory that is absent or empty',
    });
    expect((await refusal({ target: { directoryState: 'not-a-directory' } })).name).toBe(
      'Restore.DirectoryNotEmpty',
    );
  });

  it('refuses a port in use and an account that is not there', async () => {
    expect(await refusal({ target: { portFree: false } })).toMatchObject({
      name: 'Restore.PortTaken',
      cause: expect.stringContaining('target.port: something listens on 3316'),
    });
    expect(await refusal({ target: { userExists: false } })).toMatchObject({
      name: 'Restore.UserUnknown',
      cause: expect.stringContaining('target.user: i-0c2e4f6a8b0d13579 has no account mysql'),
    });
  });

  it('asks for no tool that prepares where a dump is restored', async () => {
    const tools = { mariadbd: '10.11.14-MariaDB', 'mariadb-backup': null };
    const dump: PlannedRestore = { ...planned, method: 'logical' };
    expect(await fitted({ tools, abilities: ['logical'] }, dump)).toMatchObject({ outcome: 'fits' });
    expect(await fitted({ tools, abilities: ['incremental'] }, dump)).toMatchObject({
      outcome: 'refused',
      error: { name: 'Runner.VersionUnsupported', cause: expect.stringContaining('loads no dumps') },
    });
  });

  it.each(['mariadbd', 'mariadb-backup'])('refuses a host without %s', async (program) => {
    const tools = { ...example('result-check').tools, [program]: null };
    expect(await refusal({ tools })).toMatchObject({
      name: 'Restore.ToolMissing',
      cause: expect.stringContaining(`lacks ${program}; the backup is of 10.11.6`),
    });
  });

  it.each([
    ['mariadbd', '10.11.5', '10.11.6 or a later 10.11 is needed'],
    ['mariadbd', '11.4.2', '10.11.6 or a later 10.11 is needed'],
    ['mariadbd', '10.6.20', '10.11.6 or a later 10.11 is needed'],
    ['mariadb-backup', '10.6.20', 'one of the series 10.11 is needed'],
    ['mariadb-backup', 'unreadable', 'one of the series 10.11 is needed'],
  ])('refuses %s %s for a backup of 10.11.6 (F19, M23)', async (program, version, right) => {
    const tools = { ...example('result-check').tools, [program]: version };
    expect(await refusal({ tools })).toMatchObject({
      name: 'Restore.VersionMismatch',
      cause: `target.hostId: i-0c2e4f6a8b0d13579 has ${program} ${version}; the backup is of 10.11.6-MariaDB-log: ${right}`,
    });
  });

  it('takes a later patch of the series', async () => {
    expect(
      await fitted({ tools: { mariadbd: '10.11.14-MariaDB', 'mariadb-backup': '10.11.14' } }),
    ).toMatchObject({
      outcome: 'fits',
    });
  });

  it('says all that is wrong at once', async () => {
    const error = await refusal({ target: { portFree: false, freeBytes: 0 }, tools: {} });
    expect(error.name).toBe('Restore.PortTaken');
    for (const part of ['target.port', 'lacks mariadbd', 'lacks mariadb-backup', '0.0 GB free']) {
      expect(error.cause).toContain(part);
    }
  });

  it('refuses a runner of another protocol, and an answer without its target', async () => {
    expect((await refusal({ protocol: 99 })).name).toBe('Runner.VersionUnsupported');
    const { target: _, ...blind } = example('result-check');
    const answer = await makeHandler({ mintJobId: () => 'j' })({ planned, check: blind });
    expect(answer).toMatchObject({ outcome: 'refused', error: { name: 'Input.Invalid' } });
  });

  it('M24 refuses a host that lacks the key which the tool encrypted the backup with, or one that does not look', async () => {
    const key = {
      kind: 'file' as const,
      name: '/etc/holdfast/key',
      algorithm: 'AES256' as const,
      check: 'ab12cd34',
    };
    const encrypted = (of: typeof key) => ({
      manifest: { ...manifest, restore: { ...manifest.restore, key: of } },
      manifestSha256: 'a'.repeat(64),
    });
    // The links of a chain may have had several keys; each is looked for once.
    const links = [encrypted(key), encrypted(key), encrypted({ ...key, check: '00000000' })];
    const plan = planOf(example('backup'), links, target, 'job-check-1');
    expect(plan.check.order.keys?.map(({ check }) => check)).toEqual(['ab12cd34', '00000000']);
    expect(planned.check.order).not.toHaveProperty('keys');
    const abilities = ['incremental'];
    const why = '/etc/holdfast/key is not there';
    expect(await fitted({ target: { missingKeys: [why] }, abilities }, plan)).toMatchObject({
      outcome: 'refused',
      error: { name: 'Restore.KeyMissing', cause: expect.stringContaining(why) },
    });
    expect(await fitted({ abilities }, plan)).toMatchObject({
      error: {
        name: 'Runner.VersionUnsupported',
        cause: expect.stringContaining('does not look for the key'),
      },
    });
    expect(await fitted({ target: { missingKeys: [] }, abilities }, plan)).toMatchObject({ outcome: 'fits' });
  });
});
