import { readdirSync, readFileSync } from 'node:fs';

/**
 * A process as the kernel tells it apart from a later one with the same pid: `startTicks` is field 22 of
 * /proc/<pid>/stat, clock ticks since boot, and `boot` the id of that boot.
 */
export type ProcessIdentity = { pid: number; startTicks: number; boot: string };

/** Field 22 of a line of /proc/<pid>/stat. The second field, the name, may hold spaces and parentheses. */
export function parseStartTicks(stat: string): number | undefined {
  const afterName = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(afterName[19]);
  return afterName[0] === 'Z' || !Number.isInteger(ticks) ? undefined : ticks;
}

/** Whether any process of a group runs; one that only waits to be reaped does not. Field 5 of /proc/<pid>/stat. */
export function groupRuns(group: number): boolean {
  return readdirSync('/proc').some((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const stat = read(`/proc/${pid}/stat`);
    const [state, , itsGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(itsGroup) === group && state !== 'Z';
  });
}

/** The identity of a running process; undefined when there is none, or only its zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  const startTicks = parseStartTicks(read(`/proc/${pid}/stat`));
  if (startTicks === undefined) return undefined;
  return { pid, startTicks, boot: read('/proc/sys/kernel/random/boot_id').trim() };
}

/** Whether exactly this process still runs. */
export function isAlive(process: ProcessIdentity): boolean {
  const now = identify(process.pid);
  return now !== undefined && now.startTicks === process.startTicks && now.boot === process.boot;
}

/**
 * Processes that belong to a host's directory: their environment names it as HOLDFAST_ROOT, or an argument of
 * theirs is an option whose value lies below it (`--defaults-file=<root>/…`). A plain argument does not count,
 * so that a person's `tail -f <root>/…` is left alone.
 */
export function processesOfRoot(root: string): ProcessIdentity[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid && belongs(pid, root))
    .map(identify)
    .filter((found) => found !== undefined);
}

function belongs(pid: number, root: string): boolean {
  const environment = read(`/proc/${pid}/environ`).split('\0');
  if (environment.includes(`HOLDFAST_ROOT=${root}`)) return true;
  const options = read(`/proc/${pid}/cmdline`).split('\0');
  return options.some((option) => option.startsWith('--') && option.includes(`=${root}/`));
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
