import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { runJobDocument } from '../../../infra/hosts/run-job-document.ts';
import { quietRoot } from '../../journeys/support/quiet-root.ts';
import { waitUntil } from '../../journeys/whole-way/wait-until.ts';
import { faultTest } from '../fault-test.ts';

/** A host whose runner does what the script says; the launcher and the document's script are the real ones. */
function aHost(runner: string) {
  const root = mkdtempSync(join(tmpdir(), 'faults-launcher-'));
  for (const folder of ['bin', 'lib', 'etc', 'log']) mkdirSync(join(root, folder));
  symlinkSync(process.execPath, join(root, 'bin/node'));
  copyFileSync(
    join(import.meta.dirname, '../../../runner/host/launch/holdfast-launch'),
    join(root, 'bin/holdfast-launch'),
  );
  chmodSync(join(root, 'bin/holdfast-launch'), 0o755);
  writeFileSync(join(root, 'etc/runner.json'), '{}');
  writeFileSync(join(root, 'lib/runner.mjs'), runner);
  const script = runJobDocument.mainSteps[0]!.inputs.runCommand.join('\n');
  return {
    root,
    /** Runs the document's script as the agent does, with what it puts into the environment. */
    command: (environment: Record<string, string>) =>
      spawnSync('/bin/sh', ['-c', script], {
        encoding: 'utf8',
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOLDFAST_ROOT: root, ...environment },
      }),
    written: (name: string) => (existsSync(join(root, name)) ? readFileSync(join(root, name), 'utf8') : ''),
  };
}

// With a running systemd the launcher would make a real unit of this machine.
describe.skipIf(existsSync('/run/systemd/system'))('the command that starts a runner', () => {
  faultTest(
    ['F40'],
    'ends with 0 although the runner ends with 194, which would make the agent restart the host',
    async ({ hit, endState }) => {
      const host = aHost(`
        import { appendFileSync } from 'node:fs';
        const [verb] = process.argv.slice(2);
        process.on('exit', (code) => appendFileSync(process.env.HOLDFAST_ROOT + '/ends', verb + ' ' + code + String.fromCharCode(10)));
        process.exit(194);`);
      try {
        const end = host.command({ SSM_JobId: 'job-1' });
        await waitUntil(
          'the end of runner and sweep',
          async () => host.written('ends').split('\n').length > 2,
        );
        if (host.written('ends').startsWith('run 194')) hit('F40');
        await endState(() => {
          expect({ status: end.status, stderr: end.stderr }).toEqual({ status: 0, stderr: '' });
          expect(host.written('ends')).toBe('run 194\nsweep 194\n');
        });
      } finally {
        await quietRoot(host.root);
        rmSync(host.root, { recursive: true });
      }
    },
  );

  faultTest(
    ['F41'],
    'says 64 where an old agent has put no job id into the environment, and starts nothing',
    async ({ hit, endState }) => {
      const host = aHost(`
        import { appendFileSync } from 'node:fs';
        appendFileSync(process.env.HOLDFAST_ROOT + '/ends', 'started');`);
      try {
        const ends = [{}, { SSM_JobId: '' }, { SSM_JobId: '{{ JobId }}' }].map((environment) =>
          host.command(environment as Record<string, string>),
        );
        if (ends.every(({ stderr }) => stderr.includes('the job id must match'))) hit('F41');
        await endState(() => {
          expect(ends.map(({ status }) => status)).toEqual([64, 64, 64]);
          expect(host.written('ends')).toBe('');
        });
      } finally {
        await quietRoot(host.root);
        rmSync(host.root, { recursive: true });
      }
    },
  );
});
