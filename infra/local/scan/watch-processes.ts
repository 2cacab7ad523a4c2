import { readdirSync, readFileSync } from 'node:fs';
import type { Place } from './find-secrets.ts';

/** A tool runs for longer than this; a process that ends sooner may be missed. */
const everyMs = 20;

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It has ended, or is not ours to look at.
    return '';
  }
}

const pids = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name));

/**
 * Looks, many times a second, at arguments and environment of every process of this machine that starts from now on;
 * a process that becomes another program counts again.
 */
export function watchProcesses(): { stop: () => Place[] } {
  const before = new Set(pids());
  const seen = new Map<string, string>();
  const places: Place[] = [];
  const look = () => {
    const now = pids();
    for (const pid of now) {
      if (before.has(pid)) continue;
      const command = read(`/proc/${pid}/cmdline`);
      if (command === '' || seen.get(pid) === command) continue;
      seen.set(pid, command);
      const where = command.replaceAll('\0', ' ').trim();
      places.push({ kind: 'argument', where, text: command });
      places.push({ kind: 'environment', where, text: read(`/proc/${pid}/environ`) });
    }
    // The number of a process that ended may be given out again.
    const alive = new Set(now);
    for (const pid of [...before, ...seen.keys()].filter((p) => !alive.has(p))) {
      before.delete(pid);
      seen.delete(pid);
    }
  };
  const timer = setInterval(look, everyMs);
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return places;
    },
  };
}
