import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { policySchema } from '../../../../../contract/records/policy.ts';
import { xtrabackup } from '../../../../../runner/engines/mysql/tools/xtrabackup.ts';
import { xtrabackupByHand } from '../../../../../runner/engines/mysql/tools/xtrabackup-by-hand.ts';
import { fileOf } from '../../../../doubles/xbstream-writer.ts';

const directory = mkdtempSync(join(tmpdir(), 'by-hand-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it('the printed commands unpack each of several streams, and end with the first that is damaged', () => {
  const policy = policySchema.parse({
    name: 'p',
    schedule: { cron: '0 2 * * *' },
    method: 'physical',
    codec: 'none',
  });
  const order = {
    clusterId: 'shop',
    backupId: 'b-1',
    site: { site: 'home', bucket: 'backups', region: 'eu-central-1' },
    policy,
    plan: { fifoStreams: 2 },
  };
  const commands = xtrabackupByHand(order, { tool: xtrabackup, version: '9.7.2-2', variables: {} }, 1e9);
  const [unpack] = commands.filter((command) => command.startsWith('for stream in'));
  // The same format but for sparse files, of which there are none here; and nobody to run as.
  const tools = join(directory, 'tools');
  mkdirSync(tools);
  writeFileSync(join(tools, 'xbstream'), '#!/bin/sh\nexec mbstream "$@"\n', { mode: 0o755 });
  writeFileSync(join(tools, 'runuser'), '#!/bin/sh\nshift 3\nexec "$@"\n', { mode: 0o755 });
  const volume = (stream: string, n: number, bytes: Buffer) => {
    mkdirSync(join(directory, 'volumes', stream), { recursive: true });
    writeFileSync(join(directory, 'volumes', stream, `00000${n}`), bytes);
  };
  const first = fileOf('a.ibd', 'x'.repeat(1000));
  volume('fifo-0', 0, first.subarray(0, 500));
  volume('fifo-0', 1, first.subarray(500));
  volume('fifo-1', 0, fileOf('b.ibd', 'y'));
  const run = (into: string) => {
    mkdirSync(join(directory, into));
    const script = unpack!.replaceAll(/\bDIR\b/g, into);
    const env = { PATH: `${tools}:/usr/bin:/bin` };
    return spawnSync('/bin/sh', ['-ec', script], { cwd: directory, env }).status;
  };
  expect(run('whole')).toBe(0);
  expect(readdirSync(join(directory, 'whole')).sort()).toEqual(['a.ibd', 'b.ibd']);
  volume('fifo-0', 1, first.subarray(600));
  expect(run('damaged')).not.toBe(0);
  expect(readdirSync(join(directory, 'damaged'))).not.toContain('b.ibd');
});
