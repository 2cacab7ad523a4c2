import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { groupRuns, identify, isAlive, type ProcessIdentity, processesOfRoot } from './process-identity.ts';

/** One started child, as its file in the registry tells it. */
export type Registered = ProcessIdentity & {
  /** What it is, for messages: `emulator`, `mariadb primary`. */
  name: string;
  /** Host directory whose left-over processes end with it. */
  root?: string;
  owner: ProcessIdentity;
};

export type ProcessRegistry = {
  /** Starts a child in a process group of its own, so that Ctrl-C reaches only us and we stop it in order. */
  start(name: string, command: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
  /** Notes a host directory: whatever still runs from it is stopped by `stopAll`. */
  watchRoot(name: string, root: string): void;
  /** SIGTERM, after `graceMs` SIGKILL; resolves when the process is gone. */
  stop(pid: number, graceMs?: number): Promise<void>;
  /** Stops everything this process started, newest first. */
  stopAll(graceMs?: number): Promise<void>;
  /** Stops what earlier runs left behind, told by an owner that no longer runs. Returns their names. */
  stopOrphans(graceMs?: number): Promise<string[]>;
  /** SIGKILL at once, without waiting: the last resort of an exit handler. */
  killAllNow(): void;
};

const DEFAULT_GRACE_MS = 10_000;

/** The registry of children in `directory`: one JSON file each, written before anyone can lose track of it. */
export function openRegistry(directory: string): ProcessRegistry {
  mkdirSync(directory, { recursive: true });
  const owner = identify(process.pid);
  if (!owner) throw new Error('this process is not in /proc: the local target needs Linux');
  let order = 0;
  const mine: { file: string; entry: Registered }[] = [];
  const roots = new Set<string>();

  const note = (entry: Registered): string => {
    order += 1;
    const file = join(directory, `${owner.pid}-${String(order).padStart(4, '0')}.json`);
    writeFileSync(file, JSON.stringify(entry));
    mine.push({ file, entry });
    return file;
  };

  const forgetAtExit = (child: ChildProcess, file: string): void => {
    child.once('exit', () => {
      const at = mine.findIndex((item) => item.file === file);
      if (at >= 0) mine.splice(at, 1);
      rmSync(file, { force: true });
    });
  };

  const end = async (file: string, entry: Registered, graceMs: number): Promise<void> => {
    const isRootMark = entry.pid === entry.owner.pid;
    if (!isRootMark) await endProcess({ ...entry, group: true }, graceMs);
    if (entry.root) await Promise.all(processesOfRoot(entry.root).map((found) => endProcess(found, graceMs)));
    rmSync(file, { force: true });
  };

  const endMine = async (graceMs: number, only?: number): Promise<void> => {
    for (const item of mine.filter((i) => only === undefined || i.entry.pid === only).reverse()) {
      await end(item.file, item.entry, graceMs);
      const at = mine.indexOf(item);
      if (at >= 0) mine.splice(at, 1);
    }
  };

  /**
   * More than one pass: what orders work is stopped last, and may have had some begun on a host meanwhile. Three are
   * enough, since the first leaves nobody to order more; what survives SIGKILL is not waited for.
   */
  const endAllOfMine = async (graceMs: number): Promise<void> => {
    const ofRoots = () => [...roots].flatMap(processesOfRoot);
    for (let pass = 0; pass < 3 && (pass === 0 || mine.length > 0 || ofRoots().length > 0); pass++) {
      await endMine(graceMs);
      await Promise.all(ofRoots().map((found) => endProcess(found, graceMs)));
    }
  };

  return {
    start(name, command, args, options = {}) {
      const child = spawn(command, args, { stdio: 'ignore', ...options, detached: true });
      const identity = child.pid === undefined ? undefined : identify(child.pid);
      if (identity) forgetAtExit(child, note({ ...identity, name, owner }));
      return child;
    },
    watchRoot(name, root) {
      roots.add(root);
      note({ ...owner, name, root, owner });
    },
    stop: (pid, graceMs = DEFAULT_GRACE_MS) => endMine(graceMs, pid),
    stopAll: (graceMs = DEFAULT_GRACE_MS) => endAllOfMine(graceMs),
    async stopOrphans(graceMs = DEFAULT_GRACE_MS) {
      const names: string[] = [];
      for (const { file, entry } of readEntries(directory).reverse()) {
        if (isAlive(entry.owner)) continue;
        const runs = isAlive(entry) || (entry.root !== undefined && processesOfRoot(entry.root).length > 0);
        await end(file, entry, graceMs);
        if (runs) names.push(entry.name);
      }
      return names;
    },
    killAllNow() {
      for (const { file, entry } of mine.splice(0).reverse()) {
        if (entry.root) for (const { pid } of processesOfRoot(entry.root)) signal(pid, 'SIGKILL');
        else if (isAlive(entry)) signal(-entry.pid, 'SIGKILL');
        rmSync(file, { force: true });
      }
    },
  };
}

/**
 * Makes Ctrl-C, a hang-up and every other end of this process stop its children: signals stop them in order and
 * leave with 128 + the signal's number; a crash kills them at once. Returns what takes the handlers off again.
 */
export function stopChildrenAtExit(registry: ProcessRegistry, before?: () => Promise<void>): () => void {
  const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
  let stopping = false;
  const onSignal = (name: NodeJS.Signals): void => {
    const code = 128 + numbers[name as keyof typeof numbers];
    // A terminal's Ctrl-C comes twice: once to the group, once forwarded by whoever started us.
    if (stopping) return;
    stopping = true;
    // Whoever still works on what is being stopped fails: that is no crash.
    process.on('uncaughtException', () => {});
    const done = (): never => process.exit(code);
    Promise.resolve(before?.())
      .catch(() => {})
      .then(() => registry.stopAll())
      .then(done, done);
  };
  const onExit = (): void => registry.killAllNow();
  for (const name of Object.keys(numbers)) process.on(name, onSignal);
  process.on('exit', onExit);
  return () => {
    for (const name of Object.keys(numbers)) process.off(name, onSignal);
    process.off('exit', onExit);
  };
}

/**
 * SIGTERM, then SIGKILL when it still runs after `graceMs`; nothing when the pid is someone else's by now. With
 * `group` the signals go to the process group that it leads, until nobody of it runs: a child that ends at once may
 * leave children of its own, as the CDK does, and one that is killed always does.
 */
export async function endProcess(
  target: ProcessIdentity & { group?: boolean },
  graceMs: number,
): Promise<void> {
  if (!isAlive(target)) return;
  // The number of a group is not given out again while one of its processes is there.
  const runs = () => isAlive(target) || (target.group === true && groupRuns(target.pid));
  for (const [name, waitMs] of [
    ['SIGTERM', graceMs],
    ['SIGKILL', 5_000],
  ] as const) {
    if (!runs()) return;
    signal(target.group ? -target.pid : target.pid, name);
    for (const deadline = Date.now() + waitMs; runs() && Date.now() < deadline; ) await sleep(20);
  }
}

function readEntries(directory: string): { file: string; entry: Registered }[] {
  const found: { file: string; entry: Registered }[] = [];
  for (const name of readdirSync(directory).sort()) {
    const file = join(directory, name);
    try {
      found.push({ file, entry: JSON.parse(readFileSync(file, 'utf8')) as Registered });
    } catch {
      rmSync(file, { force: true });
    }
  }
  return found;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended between the look and the signal.
  }
}
