import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalHost } from '../../../infra/local/host.ts';
import { systemPath } from '../../../runner/host/find-command.ts';

/** Programs of a host while a test runs: scripts that stand in for the real ones, or only some of the real ones. */
export type HostTools = { scripts: Record<string, string> } | { only: readonly string[] };

/** Lets a host's runner look for its tools elsewhere, by its own settings, for as long as `use` runs. */
export async function withTools<T>(host: LocalHost, tools: HostTools, use: () => Promise<T>): Promise<T> {
  const settingsFile = join(host.root, 'etc/runner.json');
  const before = readFileSync(settingsFile, 'utf8');
  const directory = mkdtempSync(join(host.root, 'tools-'));
  // Tools of a restore run as the server's account.
  chmodSync(directory, 0o755);
  if ('only' in tools) for (const name of tools.only) symlinkSync(realTool(name), join(directory, name));
  else {
    for (const [name, script] of Object.entries(tools.scripts)) {
      writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
  }
  const path = [directory, ...('only' in tools ? [] : systemPath.split(':'))];
  writeFileSync(settingsFile, JSON.stringify({ ...JSON.parse(before), path }));
  try {
    return await use();
  } finally {
    writeFileSync(settingsFile, before);
    rmSync(directory, { recursive: true });
  }
}

/** Where the system has a program. */
export function realTool(name: string): string {
  const found = systemPath
    .split(':')
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path));
  if (!found) throw new Error(`${name} is not installed`);
  return found;
}

export type HeldTool = {
  /** Waits until the tool was started; answers its process id. */
  held: () => Promise<number>;
  /** Lets it go on as if nothing had been. */
  letGo: () => void;
};

/**
 * While `use` runs, mariadb-backup on this host stops in its tracks (SIGSTOP) before it does anything with
 * `argument`, so that a test can act in the middle of a job however fast the machine is. Once let go it stops no more.
 */
export async function withHeldTool<T>(
  host: LocalHost,
  argument: '--backup' | '--prepare',
  use: (tool: HeldTool) => Promise<T>,
): Promise<T> {
  const place = mkdtempSync(join(host.root, 'held-'));
  chmodSync(place, 0o777);
  const file = join(place, argument.slice(2));
  const pid = () => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0);
  const letGo = () => {
    writeFileSync(`${file}.go`, '');
    if (pid() > 0) process.kill(pid(), 'SIGCONT');
  };
  const script = `case " $* " in *" ${argument} "*) [ -e '${file}.go' ] || { echo $$ > '${file}.new'; mv '${file}.new' '${file}'; kill -STOP $$; } ;; esac
exec '${realTool('mariadb-backup')}' "$@"`;
  const held = async () => {
    for (const deadline = Date.now() + 60_000; pid() === 0 || !isStopped(pid()); await sleep(50)) {
      if (Date.now() > deadline)
        throw new Error(`mariadb-backup ${argument} was not started on ${host.hostId}`);
    }
    return pid();
  };
  try {
    return await withTools(host, { scripts: { 'mariadb-backup': script } }, () => use({ held, letGo }));
  } finally {
    rmSync(place, { recursive: true });
  }
}

function isStopped(pid: number): boolean {
  try {
    return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** The process of a job's runner on this machine; the shell that sweeps after it names the job too, but does not run it. */
export function runnerOf(jobId: string, processes: readonly number[]): number {
  const found = processes.find((pid) => {
    const command = commandOf(pid);
    return command[command.indexOf(jobId) - 1] === 'run';
  });
  if (found === undefined) throw new Error(`no runner of job ${jobId} among ${processes.join(', ')}`);
  return found;
}

/** Words of a process's command line; none where it is gone. */
export const commandOf = (pid: number): string[] => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
};
