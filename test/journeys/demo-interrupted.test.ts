import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { localPaths } from '../../infra/local/paths.ts';

const purpose = 'interrupted';
const paths = localPaths(purpose);
const ours = [paths.run, paths.emulatorState];

let demo: ChildProcess | undefined;
afterEach(() => {
  if (demo?.pid && demo.exitCode === null) process.kill(-demo.pid, 'SIGKILL');
});

/** Starts what `npm run demo` starts, in a process group of its own, as a terminal would. */
function startDemo(): { output: () => string; exit: Promise<number | null>; interrupt: () => void } {
  const args = ['infra/local/setup.mjs', 'infra/local/demo.ts', purpose, '20'];
  const child = spawn(process.execPath, args, { cwd: paths.project, detached: true });
  demo = child;
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return {
    output: () => output,
    exit: new Promise((resolve) => child.once('exit', resolve)),
    // Ctrl-C reaches every process of the terminal's foreground group.
    interrupt: () => process.kill(-(child.pid ?? 0), 'SIGINT'),
  };
}

/** Command lines of processes that this demo started: its paths are in their arguments, environment or directory. */
function leftOver(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      const facts = [read(`/proc/${pid}/cmdline`), read(`/proc/${pid}/environ`), link(`/proc/${pid}/cwd`)];
      return facts.some((fact) => ours.some((path) => fact.includes(path)));
    })
    .map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`);
}

/** The process that the set-up started: it is the one that notes what it starts in the registry. */
function childOf(parent: number): string {
  const isChild = (pid: string) =>
    read(`/proc/${pid}/stat`)
      .replace(/^.*\) /s, '')
      .split(' ')[1] === String(parent);
  const found = readdirSync('/proc').find((name) => /^\d+$/.test(name) && isChild(name));
  if (found === undefined) throw new Error(`process ${parent} has no child`);
  return found;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });

describe('npm run demo, interrupted by Ctrl-C', () => {
  it.each([
    ['while the emulator starts', '1. Deploy', 0],
    ['while the stacks are deployed', 'cdk bootstrap done', 3000],
    ['while a backup runs', 'backup on mi-replica', 0],
    ['while a restore runs', 'restore on mi-empty', 1500],
  ])('%s leaves no process, no listening port and no mount', async (_, line, waitMs) => {
    const { output, exit, interrupt } = startDemo();
    let code: number | null | undefined;
    void exit.then((ended) => {
      code = ended;
    });
    while (!output().includes(line) && code === undefined) await sleep(50);
    expect(code, output()).toBeUndefined();
    await sleep(waitMs);
    while (leftOver().length === 0) await sleep(20);
    const owner = childOf(demo?.pid ?? 0);
    interrupt();
    expect(await exit, output()).toBe(130);
    expect(leftOver()).toEqual([]);
    const ports = [...output().matchAll(/127\.0\.0\.1:(\d+)/g)].map((match) => Number(match[1]));
    for (const port of ports) expect(await listens(port), `port ${port}`).toBe(false);
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(paths.run);
    expect(readdirSync(paths.pids).filter((name) => name.startsWith(`${owner}-`))).toEqual([]);
    // An error that the stop itself caused would look like one of the demo's own.
    expect(output()).not.toMatch(/Error|at file:/);
  });
});
