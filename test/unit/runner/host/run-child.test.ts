import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { ChildEnd, ChildSpec } from '../../../../runner/host/child.ts';
import { readProcess } from '../../../../runner/host/process-group.ts';
import { makeRunChild } from '../../../../runner/host/run-child.ts';

const dir = mkdtempSync(join(tmpdir(), 'run-child-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const runChild = makeRunChild({ graceMs: 400 });

/** Runs a small Node script as the tool. */
const tool = (script: string, spec: Partial<ChildSpec> = {}): Promise<ChildEnd> =>
  runChild({ command: process.execPath, args: ['-e', script], ...spec });

const alive = (pid: number) => {
  const found = readProcess(pid);
  return found !== undefined && found.state !== 'Z';
};

async function pidIn(file: string): Promise<number> {
  while (!existsSync(file) || readFileSync(file, 'utf8') === '') await sleep(10);
  return Number(readFileSync(file, 'utf8'));
}

describe('running a tool', () => {
  it('looks for it in the directories of the settings, and gives it the same as its PATH', async () => {
    const path = join(dir, 'elsewhere');
    mkdirSync(path);
    writeFileSync(join(path, 'df'), '#!/bin/sh\necho "mine, $PATH"\n', { mode: 0o755 });
    const elsewhere = makeRunChild({ path });
    expect((await elsewhere({ command: 'df', args: [] })).stdout).toBe(`mine, ${path}\n`);
    expect((await elsewhere({ command: 'ls', args: [] })).firstCause?.message).toBe('ls is not on this host');
  });

  it('gives out stdout in order and waits for the consumer', async () => {
    let received = '';
    let busy = 0;
    const end = await tool(`for (let i = 0; i < 40000; i++) console.log(i)`, {
      onStdout: async (bytes) => {
        expect(++busy).toBe(1);
        received += bytes.toString();
        await sleep(1);
        busy--;
      },
    });
    expect(end).toMatchObject({ exitCode: 0, signal: null, firstCause: undefined });
    expect(received).toBe(`${Array.from({ length: 40000 }, (_, i) => i).join('\n')}\n`);
  });

  it('keeps a tool waiting while its consumer does, rather than filling memory', async () => {
    const file = join(dir, 'written');
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const running = tool(
      `const fs = require('fs'); let n = 0; const b = Buffer.alloc(65536);
       for (let i = 0; i < 160; i++) { n += fs.writeSync(1, b); fs.writeFileSync(${JSON.stringify(file)}, String(n)); }`,
      { onStdout: () => held },
    );
    await sleep(500);
    expect(Number(readFileSync(file, 'utf8'))).toBeLessThan(1024 * 1024);
    release();
    expect((await running).exitCode).toBe(0);
    expect(Number(readFileSync(file, 'utf8'))).toBe(160 * 65536);
  });

  it.each(['/nonexistent', `/tmp/${'long'.repeat(30)}`])(
    'gives out stdout where TMPDIR is %s',
    async (place) => {
      const before = process.env.TMPDIR;
      process.env.TMPDIR = place;
      let received = '';
      const end = await tool(`process.stdout.write('all')`, {
        onStdout: (bytes) => {
          received += bytes.toString();
        },
      }).finally(() => {
        if (before === undefined) delete process.env.TMPDIR;
        else process.env.TMPDIR = before;
      });
      expect([end.exitCode, end.firstCause, received]).toEqual([0, undefined, 'all']);
    },
  );

  it('takes the last bytes of a tool that has ended although the runner itself was held up meanwhile', async () => {
    let received = 0;
    const end = await tool(`require('fs').writeSync(1, Buffer.alloc(400_000, 'x'))`, {
      onStdout: async (bytes) => {
        const first = received === 0;
        received += bytes.length;
        if (!first) return;
        await sleep(700);
        // As an upload's answer does it: it returns after the loop has polled, and timers come before the next poll.
        await stat(dir);
        setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500));
      },
    });
    expect(end).toMatchObject({ exitCode: 0, firstCause: undefined });
    expect(received).toBe(400_000);
  });

  it('gives the child a small environment and nothing of the runner', async () => {
    const before = process.env.AWS_SECRET_ACCESS_KEY;
    process.env.AWS_SECRET_ACCESS_KEY = 'must not be inherited';
    const end = await tool('console.log(JSON.stringify(process.env))');
    if (before === undefined) delete process.env.AWS_SECRET_ACCESS_KEY;
    else process.env.AWS_SECRET_ACCESS_KEY = before;
    expect(JSON.parse(end.stdout)).toEqual({ PATH: expect.any(String), LANG: 'C', TZ: 'UTC' });
  });

  it('F76 hands over arguments with quotes, spaces, $, ; and line breaks as they are', async () => {
    const odd = `a b'c"d;$(touch x)\n\`e\` é`;
    const end = await runChild({
      command: process.execPath,
      args: ['-e', 'console.log(JSON.stringify(process.argv.slice(1)))', odd],
    });
    expect(JSON.parse(end.stdout)).toEqual([odd]);
  });

  it('says when the tool is not there', async () => {
    const end = await runChild({ command: 'no-such-tool', args: [] });
    expect(end.exitCode).toBeNull();
    expect(end.firstCause?.message).toBe('no-such-tool is not on this host');
  });

  it.runIf(process.getuid?.() === 0)(
    'runs the tool as another account, and refuses an unknown one',
    async () => {
      const script = 'console.log(process.getuid(), process.getgid(), process.getgroups().includes(0))';
      for (const runAs of [runChild, makeRunChild({ setpriv: null })]) {
        const spec = { command: process.execPath, args: ['-e', script], cwd: '/', user: 'nobody' };
        // The Node of a checkout may lie where only root gets; then the tool must fail rather than run as root.
        const end = await runAs(spec);
        if (end.exitCode === 0) expect(end.stdout.trim()).toBe('65534 65534 false');
        else expect(JSON.stringify([end.stderrTail, String(end.firstCause)])).toMatch(/denied|EACCES/);
      }
      const unknown = await tool('', { user: 'no-such-account' });
      expect(unknown.firstCause?.message).toBe('there is no account no-such-account on this host');
    },
  );
});

describe('a tool that fails', () => {
  it('keeps exit code and partial output apart (F01)', async () => {
    let bytes = 0;
    const end = await tool(
      `process.stdout.write('x'.repeat(100000), () => { console.error('no space'); process.exit(3) })`,
      {
        onStdout: (b) => {
          bytes += b.length;
        },
      },
    );
    expect(end.exitCode).toBe(3);
    expect(bytes).toBe(100000);
    expect(end.stderrTail).toEqual(['no space']);
  });

  it('F03 counts a death by signal as a failure', async () => {
    const end = await tool(`process.stdout.write('some', () => process.kill(process.pid, 'SIGKILL'))`);
    expect(end).toMatchObject({ exitCode: null, signal: 'SIGKILL', stdout: 'some' });
    expect(end.firstCause?.message).toMatch(/was killed by SIGKILL/);
  });

  it('F04 names a failing upload, not the broken pipe that follows from it', async () => {
    const cause = new NamedError('Store.Denied', 'the store refused');
    const end = await tool(
      `process.on('SIGTERM', () => { console.error('Broken pipe'); process.exit(32) });
       setInterval(() => process.stdout.write('x'.repeat(70000)), 1)`,
      { onStdout: () => Promise.reject(cause) },
    );
    expect(end.firstCause).toBe(cause);
    expect(end.exitCode).toBe(32);
    expect(end.stderrTail).toContain('Broken pipe');
  });

  it('F04 leaves the cause to the tool that closed its stdin', async () => {
    async function* endless() {
      for (;;) yield Buffer.alloc(65536);
    }
    const end = await tool(`console.error('bad header'); process.exit(7)`, { stdin: endless() });
    expect(end).toMatchObject({ exitCode: 7, firstCause: undefined });
    expect(end.stderrTail).toEqual(['bad header']);
  });

  it('does not believe a tool that ends well before it has taken its input', async () => {
    async function* endless() {
      for (;;) yield Buffer.alloc(65536);
    }
    const end = await tool('process.exit(0)', { stdin: endless() });
    expect(end.firstCause).toBeInstanceOf(Error);
  });

  it('F04 names a failing download that fed the tool', async () => {
    const cause = new NamedError('Restore.StreamDamaged', 'frame 3 differs');
    async function* broken() {
      yield Buffer.from('first');
      throw cause;
    }
    const end = await tool('process.stdin.resume()', { stdin: broken() });
    expect(end.firstCause).toBe(cause);
  });

  it('feeds stdin whole and in order', async () => {
    async function* numbers() {
      for (let i = 0; i < 300; i++) yield Buffer.alloc(10_000, i % 256);
    }
    const end = await tool(
      `const h = require('crypto').createHash('sha256'); process.stdin.on('data', (b) => h.update(b)).on('end', () => console.log(h.digest('hex')))`,
      { stdin: numbers() },
    );
    const { createHash } = await import('node:crypto');
    const hash = createHash('sha256');
    for await (const bytes of numbers()) hash.update(bytes);
    expect(end).toMatchObject({ exitCode: 0, firstCause: undefined, stdout: `${hash.digest('hex')}\n` });
  });

  it('F05 survives a flood of stderr and keeps its last 64 KiB', async () => {
    const end = await tool(
      `const fs = require('fs'); const line = 'e'.repeat(99) + '\\n'; let s = '';
       for (let i = 0; i < 1000; i++) s += line;
       for (let i = 0; i < 200; i++) fs.writeSync(2, s);
       fs.writeSync(2, 'y'.repeat(3000000) + '\\nlast'); fs.writeSync(1, 'done')`,
      { onStdout: () => sleep(300) },
    );
    expect(end.exitCode).toBe(0);
    expect(end.stderrTail.at(-1)).toBe('last');
    expect(end.stderrTail.at(-2)).toBe('y'.repeat(8192));
    expect(end.stderrTail.join('\n').length).toBeLessThanOrEqual(64 * 1024);
  });

  it('F07 kills a tool that hangs while it lives', async () => {
    const started = performance.now();
    const end = await tool(`process.stdout.write('a'); setInterval(() => {}, 1000)`, { stallSeconds: 0.5 });
    expect(end.firstCause?.name).toBe('Backup.Stalled');
    expect(end.signal).toBe('SIGTERM');
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('F07 says that the store is slow where the tool only waits for it', async () => {
    const end = await tool(`process.stdout.write('a'); setInterval(() => {}, 1000)`, {
      stallSeconds: 0.5,
      onStdout: () => sleep(1500),
    });
    expect(end.firstCause).toMatchObject({
      name: 'Backup.Stalled',
      message: expect.stringContaining('the way to the store'),
    });
  });

  it('F07 lets a slow tool go on as long as any byte moves', async () => {
    const end = await tool(
      `let n = 0; setInterval(() => { console.error('.'); if (++n === 8) process.exit(0) }, 150)`,
      {
        stallSeconds: 0.6,
      },
    );
    expect(end).toMatchObject({ exitCode: 0, firstCause: undefined });
  });
});

describe('ending a tool', () => {
  it('ends it on abort, with SIGKILL where SIGTERM is ignored, and gives the reason', async () => {
    const file = join(dir, 'deaf');
    const controller = new AbortController();
    const running = tool(
      `process.on('SIGTERM', () => {}); require('fs').writeFileSync(${JSON.stringify(file)}, String(process.pid)); setInterval(() => {}, 1000)`,
      { signal: controller.signal },
    );
    const pid = await pidIn(file);
    const reason = new NamedError('Job.Cancelled', 'cancelled by an operator');
    controller.abort(reason);
    const end = await running;
    expect(end.firstCause).toBe(reason);
    expect(end.signal).toBe('SIGKILL');
    expect(alive(pid)).toBe(false);
  });

  it('gives nothing more to a consumer that lets go after the tool was ended', async () => {
    const stop = new AbortController();
    const held = Promise.withResolvers<void>();
    let calls = 0;
    const end = await tool(`const fs = require('fs'); for (;;) fs.writeSync(1, Buffer.alloc(65536))`, {
      signal: stop.signal,
      onStdout: () => {
        calls++;
        stop.abort(new Error('over the budget'));
        return held.promise;
      },
    });
    expect(end.firstCause?.message).toBe('over the budget');
    held.resolve();
    await sleep(100);
    expect(calls).toBe(1);
  });

  it('F04 leaves no grandchild behind, deaf or not', async () => {
    const file = join(dir, 'grandchild');
    const controller = new AbortController();
    const running = tool(
      `const { spawn } = require('child_process');
       const g = spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); process.on('SIGHUP', () => {}); console.log('up'); setInterval(() => {}, 1000)"], { stdio: ['ignore', 'pipe', 'inherit'] });
       g.stdout.once('data', () => require('fs').writeFileSync(${JSON.stringify(file)}, String(g.pid)));
       setInterval(() => {}, 1000)`,
      { signal: controller.signal },
    );
    const pid = await pidIn(file);
    expect(alive(pid)).toBe(true);
    controller.abort(new Error('enough'));
    await running;
    expect(alive(pid)).toBe(false);
  });

  it('ends what outlives a tool that ended well', async () => {
    const end = await tool(
      `const { spawn } = require('child_process');
       const g = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
       console.log(g.pid); g.unref(); process.exit(0)`,
    );
    expect(end.exitCode).toBe(0);
    expect(alive(Number(end.stdout))).toBe(false);
  });

  it('does not wait for a server that took its pipes along into a session of its own', async () => {
    const end = await tool(
      `const { spawn } = require('child_process');
       const g = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 15000)'], { stdio: 'inherit', detached: true });
       console.log(g.pid); g.unref(); process.exit(0)`,
    );
    const pid = Number(end.stdout);
    expect(end).toMatchObject({ exitCode: 0, firstCause: undefined });
    expect(alive(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
  });

  it('F11 the kernel ends the tool when the runner is killed', async () => {
    const { spawn } = await import('node:child_process');
    const file = join(dir, 'orphan');
    const runner = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { makeRunChild } from ${JSON.stringify(join(import.meta.dirname, '../../../../runner/host/run-child.ts'))};
         await makeRunChild()({ command: process.execPath, args: ['-e', 'require("fs").writeFileSync(${JSON.stringify(file).replaceAll('"', '\\"')}, String(process.pid)); setInterval(() => {}, 1000)'] });`,
      ],
      { stdio: 'inherit' },
    );
    const pid = await pidIn(file);
    runner.kill('SIGKILL');
    for (let i = 0; i < 100 && alive(pid); i++) await sleep(20);
    expect(alive(pid)).toBe(false);
  });

  it('starts nothing once the job is aborted', async () => {
    const reason = new NamedError('Job.Fenced', 'no beat arrived');
    const end = await tool('process.exit(0)', { signal: AbortSignal.abort(reason) });
    expect(end).toMatchObject({ exitCode: null, firstCause: reason });
  });
});

describe('named pipes of a tool', () => {
  const place = (name: string) => {
    const path = join(dir, name);
    mkdirSync(path);
    return path;
  };
  /** Reads into `got`; `hold` makes each read wait. */
  const fifosIn = (directory: string, names: string[], hold: () => void | Promise<void> = () => {}) => {
    const got = names.map(() => ({ bytes: 0 }));
    const fifos = names.map((name, n) => ({
      path: join(directory, name),
      onBytes: (bytes: Buffer) => {
        got[n]!.bytes += bytes.length;
        return hold();
      },
    }));
    return { got, fifos };
  };
  const shell = (script: string, spec: Partial<ChildSpec>) =>
    runChild({ command: '/bin/sh', args: ['-c', script], ...spec });

  it('are read to their ends, at once, from when the tool makes them', async () => {
    const directory = place('both');
    const { got, fifos } = fifosIn(directory, ['a', 'b']);
    const write = (name: string) => `head -c 3000000 /dev/zero > ${name}`;
    const end = await shell(`sleep 0.1; mkfifo a b; ${write('b')} & ${write('a')}; wait; echo done`, {
      cwd: directory,
      fifos,
    });
    expect(end).toMatchObject({ exitCode: 0, firstCause: undefined, stdout: 'done\n' });
    expect(got).toEqual([{ bytes: 3_000_000 }, { bytes: 3_000_000 }]);
  });

  it('that are never made or never opened hold nobody up, nor does one that the tool leaves early', async () => {
    const directory = place('early');
    const { got, fifos } = fifosIn(directory, ['early', 'unopened', 'unmade']);
    const end = await shell('mkfifo early unopened; echo x > early; sleep 0.1; kill -9 $$', {
      cwd: directory,
      fifos,
    });
    expect(end.signal).toBe('SIGKILL');
    expect(got.map(({ bytes }) => bytes)).toEqual([2, 0, 0]);
  });

  it('keep the tool waiting while a consumer does, and end it when one fails', async () => {
    const directory = place('slow');
    const held = Promise.withResolvers<void>();
    const { got, fifos } = fifosIn(directory, ['a'], () => held.promise);
    const running = shell('mkfifo a; head -c 3000000 /dev/zero > a; sleep 60', { cwd: directory, fifos });
    while (got[0]!.bytes === 0) await sleep(10);
    await sleep(100);
    expect(got[0]!.bytes).toBeLessThan(100_000);
    held.reject(new NamedError('Store.Denied', 'the store refused'));
    expect((await running).firstCause?.message).toBe('the store refused');
  });

  it('count as bytes that move, and a tool that moves none is ended', async () => {
    const directory = place('stalled');
    const { fifos } = fifosIn(directory, ['a']);
    const script = 'mkfifo a; exec 3> a; for i in 1 2 3 4 5 6; do echo x >&3; sleep 0.2; done; sleep 60';
    const began = performance.now();
    const end = await shell(script, { cwd: directory, fifos, stallSeconds: 0.6 });
    expect(end.firstCause?.name).toBe('Backup.Stalled');
    expect(performance.now() - began).toBeGreaterThan(1500);
  });
});
