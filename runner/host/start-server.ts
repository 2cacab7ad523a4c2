import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { findAccount } from './accounts.ts';
import { findCommand, systemPath } from './find-command.ts';
import { makeRunChild } from './run-child.ts';

/** A server that must outlive the runner. `unit` is its name where systemd runs: letters, digits, `-`, `_`, `.`, `@`. */
export type ServerSpec = {
  unit: string;
  command: string;
  args: string[];
  cwd: string;
  /** Account it runs as, from its first step on: its files may be another host's. */
  user: string;
  /** Name of the time zone that it lives in; UTC unless it is given. */
  zone?: string;
};

export type StartedServer = {
  /** How an operator stops it, as a command line. */
  howToStop: string;
  /** False once the process is known to have ended; a unit's state is asked of systemd by the operator. */
  alive: () => boolean;
};

export type StartServer = (spec: ServerSpec) => Promise<StartedServer>;

/** Where systemd runs as the system's manager (sd_booted(3)). */
export const systemdRuns = () => existsSync('/run/systemd/system');

/**
 * Starts a server apart from this job: as a transient unit where systemd runs, so that ending the job's unit does not
 * end it, else in a session of its own with nothing connected to the runner. `path` is where its program is looked for.
 */
export function makeStartServer(path = systemPath): StartServer {
  return async (spec) => {
    const command = findCommand(spec.command, path);
    if (command === undefined) throw new Error(`${spec.command} is not on this host`);
    return systemdRuns() ? startUnit(spec, command, path) : startSession(spec, command, path);
  };
}

async function startUnit(spec: ServerSpec, command: string, path: string): Promise<StartedServer> {
  const end = await makeRunChild()({
    command: 'systemd-run',
    args: [
      `--unit=${spec.unit}`,
      '--collect',
      `--uid=${spec.user}`,
      '--property=KillMode=mixed',
      '--property=TimeoutStopSec=900',
      '--property=LimitNOFILE=65536',
      `--setenv=PATH=${path}`,
      ...(spec.zone === undefined ? [] : [`--setenv=TZ=${spec.zone}`]),
      `--working-directory=${spec.cwd}`,
      '--',
      command,
      ...spec.args,
    ],
    stallSeconds: 60,
  });
  if (end.exitCode !== 0) {
    throw new Error(`systemd-run could not start ${spec.unit}: ${end.stderrTail.slice(-5).join(' | ')}`);
  }
  return { howToStop: `systemctl stop ${spec.unit}`, alive: () => true };
}

async function startSession(spec: ServerSpec, command: string, path: string): Promise<StartedServer> {
  const account = findAccount(spec.user);
  if (account === undefined) throw new Error(`there is no account ${spec.user} on this host`);
  const { uid, gid } = account;
  const child = spawn(command, spec.args, {
    detached: true,
    ...(uid === process.getuid?.() ? {} : { uid, gid }),
    stdio: 'ignore',
    cwd: spec.cwd,
    env: { PATH: path, LANG: 'C', TZ: spec.zone ?? 'UTC' },
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  child.unref();
  return {
    howToStop: `kill ${child.pid}`,
    alive: () => child.exitCode === null && child.signalCode === null,
  };
}
