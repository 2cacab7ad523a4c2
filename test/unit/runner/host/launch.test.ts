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
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { quietRoot } from '../../../journeys/support/quiet-root.ts';

const launcher = join(import.meta.dirname, '../../../../runner/host/launch/holdfast-launch');

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "launch it's "));
  for (const folder of ['bin', 'lib', 'etc']) mkdirSync(join(root, folder));
  symlinkSync(process.execPath, join(root, 'bin/node'));
  copyFileSync(launcher, join(root, 'bin/holdfast-launch'));
  chmodSync(join(root, 'bin/holdfast-launch'), 0o755);
  writeFileSync(join(root, 'etc/runner.json'), '{}');
  runnerIs(
    `console.log(JSON.stringify({ args: process.argv.slice(2), env: process.env, pid: process.pid }))`,
  );
});
afterEach(async () => {
  // The sweep behind a job still writes, last what Node has compiled.
  await quietRoot(root);
  rmSync(root, { recursive: true, force: true });
});

/** What follows the job is told to a file of its own. */
const runnerIs = (script: string) =>
  writeFileSync(
    join(root, 'lib/runner.mjs'),
    `import { writeFileSync } from 'node:fs';
     if (process.argv[2] === 'sweep') {
       writeFileSync(process.env.HOLDFAST_ROOT + '/swept', String(process.pid));
       process.exit();
     }
     await import('data:text/javascript,' + ${JSON.stringify(encodeURIComponent(script))});`,
  );
const launch = (...args: string[]) =>
  spawnSync('/bin/sh', [join(root, 'bin/holdfast-launch'), ...args], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOLDFAST_ROOT: root },
    encoding: 'utf8',
  });
async function logOf(job: string): Promise<string> {
  const file = join(root, `log/${job}.log`);
  for (let i = 0; i < 500 && !(existsSync(file) && readFileSync(file, 'utf8').includes('\n')); i++)
    await sleep(10);
  return readFileSync(file, 'utf8');
}

// With a running systemd the launcher would make a real unit of this machine.
describe.skipIf(existsSync('/run/systemd/system'))('the launcher', () => {
  it('starts the runner with the job id and ends at once', async () => {
    runnerIs(`setTimeout(() => console.log(JSON.stringify(process.argv.slice(2))), 700)`);
    const started = performance.now();
    const end = launch('j-1');
    expect(end).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(performance.now() - started).toBeLessThan(600);
    expect(JSON.parse(await logOf('j-1'))).toEqual(['run', 'j-1']);
  });

  it('starts the resident agent, again and again, with the release of then', async () => {
    runnerIs(`console.log(JSON.stringify(process.argv.slice(2)))`);
    const end = spawnSync('/bin/sh', [join(root, 'bin/holdfast-launch'), 'agent', 'start'], {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOLDFAST_ROOT: root, HOLDFAST_AGENT_PAUSE: '0.05' },
      encoding: 'utf8',
    });
    expect(end).toMatchObject({ status: 0, stdout: '', stderr: '' });
    const lines = () =>
      existsSync(join(root, 'log/agent.log')) ? readFileSync(join(root, 'log/agent.log'), 'utf8') : '';
    for (let i = 0; i < 500 && lines().split('\n').length < 3; i++) await sleep(10);
    // What cannot be started any more ends it.
    rmSync(join(root, 'bin/holdfast-launch'));
    expect(lines().split('\n').slice(0, 2)).toEqual(['["agent"]', '["agent"]']);
  });

  it('takes agent for a job where it comes from SSM, which gives one argument', async () => {
    runnerIs(`console.log(JSON.stringify(process.argv.slice(2)))`);
    launch('agent');
    expect(JSON.parse(await logOf('agent'))).toEqual(['run', 'agent']);
  });

  it('lets nothing of the job leave a core file, in which passwords would be', async () => {
    runnerIs(
      `import fs from 'node:fs'; console.log(JSON.stringify(fs.readFileSync('/proc/self/limits', 'utf8')))`,
    );
    launch('j-1');
    expect(JSON.parse(await logOf('j-1'))).toMatch(/^Max core file size +0 +0 /m);
  });

  it('F39 leaves the agent: another session, and none of its pipes', async () => {
    runnerIs(
      `import { readFileSync, readlinkSync } from 'node:fs';
       const stat = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ');
       console.log(JSON.stringify({ pid: process.pid, session: Number(stat[3]), ends: [0, 1, 2].map((n) => readlinkSync('/proc/self/fd/' + n)) }))`,
    );
    launch('j-1');
    const { pid, session, ends } = JSON.parse(await logOf('j-1'));
    expect(session).toBe(pid);
    expect(ends).toEqual(['/dev/null', join(root, 'log/j-1.log'), join(root, 'log/j-1.log')]);
  });

  it('gives the runner the environment file as it is written, and runs nothing that is in it', async () => {
    writeFileSync(
      join(root, 'etc/environment'),
      [
        '# comment',
        'AWS_REGION=eu-central-1',
        'QUOTED="a b"',
        `ODD=$(touch ${join(root, 'ran')}) \`id\` ;x`,
        'EQUALS=a=b',
        '1BAD=x',
        'no value',
        '',
        'LAST=end',
      ].join('\n'),
    );
    launch('j-1');
    const { env } = JSON.parse(await logOf('j-1'));
    expect(env).toMatchObject({
      AWS_REGION: 'eu-central-1',
      QUOTED: 'a b',
      ODD: `$(touch ${join(root, 'ran')}) \`id\` ;x`,
      EQUALS: 'a=b',
      LAST: 'end',
      HOLDFAST_ROOT: root,
    });
    expect(env).not.toHaveProperty('1BAD');
    expect(existsSync(join(root, 'ran'))).toBe(false);
  });

  it.each(['', '{{ JobId }}', '../j', 'a b', 'a;id', 'a\nb', 'é', 'x'.repeat(65)])(
    'F76 refuses the job id %j',
    (id) => {
      const end = launch(id);
      expect(end.status).toBe(64);
      expect(end.stderr).toContain('job id');
      expect(existsSync(join(root, 'log'))).toBe(false);
    },
  );

  it('says what is missing where the runner is not installed', () => {
    rmSync(join(root, 'lib/runner.mjs'));
    const end = launch('j-1');
    expect(end.status).toBe(1);
    expect(end.stderr).toContain('lib/runner.mjs is missing');
  });

  it('F40 ends well whatever the runner ends with', async () => {
    runnerIs(`console.log('ending'); process.exit(194)`);
    expect(launch('j-1').status).toBe(0);
    await logOf('j-1');
  });

  it.each([
    'process.exit(0)',
    "process.kill(process.pid, 'SIGKILL')",
    "process.kill(-process.pid, 'SIGKILL')",
  ])('F11 sweeps after a runner that ends by %s', async (end) => {
    runnerIs(end);
    launch('j-1');
    await expect.poll(() => existsSync(join(root, 'swept')), { timeout: 10_000 }).toBe(true);
  });

  it('drops logs of more than a month ago', async () => {
    mkdirSync(join(root, 'log'));
    const old = new Date(Date.now() - 32 * 86_400_000);
    for (const name of ['j-old.log', 'j-new.log']) writeFileSync(join(root, 'log', name), '');
    utimesSync(join(root, 'log/j-old.log'), old, old);
    launch('j-1');
    expect([existsSync(join(root, 'log/j-old.log')), existsSync(join(root, 'log/j-new.log'))]).toEqual([
      false,
      true,
    ]);
    await logOf('j-1');
  });

  it('keeps the log to its own account', async () => {
    launch('j-1');
    await logOf('j-1');
    const mode = spawnSync('stat', ['-c', '%a', join(root, 'log'), join(root, 'log/j-1.log')], {
      encoding: 'utf8',
    });
    expect(mode.stdout.split('\n').slice(0, 2)).toEqual(['700', '600']);
  });
});

describe('the launcher with systemd', () => {
  const fake = (name: string, script: string) => {
    const file = join(root, 'fake', name);
    mkdirSync(join(root, 'fake'), { recursive: true });
    writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  };
  /** The launcher with its look for systemd answered yes, and programs of ours in place of systemd's. */
  const launchWithSystemd = (job: string) => {
    const text = readFileSync(launcher, 'utf8').replace('-d /run/systemd/system', '-d /');
    writeFileSync(join(root, 'bin/holdfast-launch'), text, { mode: 0o755 });
    return spawnSync('/bin/sh', [join(root, 'bin/holdfast-launch'), job], {
      env: { PATH: `${join(root, 'fake')}:/usr/bin:/bin`, HOLDFAST_ROOT: root },
      encoding: 'utf8',
    });
  };

  it('makes a unit of its own whose whole group is ended, with a memory limit', () => {
    fake('systemctl', 'exit 3');
    fake('systemd-run', `for a in "$@"; do echo "$a"; done >'${root.replaceAll("'", `'\\''`)}/args'`);
    expect(launchWithSystemd('j-1')).toMatchObject({ status: 0, stderr: '' });
    const args = readFileSync(join(root, 'args'), 'utf8').split('\n');
    for (const wanted of [
      '--collect',
      'holdfast-job-j-1',
      'KillMode=control-group',
      `ExecStopPost="${root}/bin/node" "${root}/lib/runner.mjs" sweep`,
      'MemoryMax=50%',
      `EnvironmentFile=-${root}/etc/environment`,
      `append:${root}/log/j-1.log`,
    ]) {
      expect(args.some((arg) => arg.endsWith(wanted))).toBe(true);
    }
    expect(args.slice(-7, -1)).toEqual([
      join(root, 'bin/node'),
      '--max-semi-space-size=1',
      '--liftoff-only',
      join(root, 'lib/runner.mjs'),
      'run',
      'j-1',
    ]);
  });

  it('F42 leaves a unit that runs already alone', () => {
    fake('systemctl', 'exit 0');
    fake('systemd-run', `touch '${root.replaceAll("'", `'\\''`)}/args'`);
    expect(launchWithSystemd('j-1').status).toBe(0);
    expect(existsSync(join(root, 'args'))).toBe(false);
  });

  it('F40 says 1 where the unit cannot be made', () => {
    fake('systemctl', 'exit 3');
    fake('systemd-run', 'exit 194');
    expect(launchWithSystemd('j-1').status).toBe(1);
  });
});

describe('the text of the launcher', () => {
  it('is accepted by the shell of the system', () => {
    expect(spawnSync('/bin/sh', ['-n', launcher]).status).toBe(0);
  });
});
