import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** State letter, group and start time (clock ticks since boot) of a process; undefined once it is gone. */
export function readProcess(pid: number): { state: string; group: number; startTime: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything; fields are counted after its last closing one (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0]!, group: Number(fields[2]), startTime: fields[19]! };
  } catch {
    return undefined;
  }
}

/** Whether this very process runs: not a later one with its number, nor what is left of it until somebody reaps it. */
export function processRuns(pid: number, startTime: string | undefined): boolean {
  const found = readProcess(pid);
  return found !== undefined && found.startTime === startTime && found.state !== 'Z' && found.state !== 'X';
}

/** Whether a process of the group still lives. Zombies do not count: where no init reaps, they stay for ever. */
export function groupLives(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return readdirSync('/proc').some((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    const found = readProcess(Number(entry));
    return found !== undefined && found.group === group && found.state !== 'Z' && found.state !== 'X';
  });
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // The group ended by itself meanwhile; what matters is the look afterwards.
  }
}

async function waitGone(group: number, milliseconds: number): Promise<boolean> {
  const until = performance.now() + milliseconds;
  for (let pause = 5; groupLives(group); pause = Math.min(pause * 2, 100)) {
    if (performance.now() > until) return false;
    await sleep(pause);
  }
  return true;
}

/**
 * Ends a whole process group: SIGTERM, SIGKILL after `graceMs`. True once no process of it lives; false where one
 * survives SIGKILL for a minute, which only a process stuck in the kernel does.
 */
export async function endGroup(group: number, graceMs = 10_000): Promise<boolean> {
  signalGroup(group, 'SIGTERM');
  // A stopped process takes SIGTERM only once it goes on.
  signalGroup(group, 'SIGCONT');
  if (await waitGone(group, graceMs)) return true;
  signalGroup(group, 'SIGKILL');
  return waitGone(group, 60_000);
}
