import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LocalHost } from './host.ts';
import { identify } from './process-identity.ts';
import { endProcess, type ProcessRegistry } from './processes.ts';
import { type CommandDocument, type ShellStep, scriptOf } from './ssm-document.ts';

/** One run of a document on a host: `directory` is what the agent calls its orchestration directory. */
export type HostRun = {
  id: string;
  host: LocalHost;
  directory: string;
  region: string;
  registry: ProcessRegistry;
};

export type StepEnd = {
  /** -1 where the script did not end by itself. */
  exitCode: number;
  stdout: string;
  stderr: string;
  timedOut: boolean;
};

/** What GetCommandInvocation shows of the outputs, in characters. */
const STDOUT_SHOWN = 24_000;
const STDERR_SHOWN = 8_000;

/** Where the agent puts what it downloads, and where scripts run once something was. */
export const downloadsOf = (run: HostRun) => join(run.directory, 'downloads');

/**
 * Runs a step's script on a host as the agent does: /bin/sh on a file, its own process group, nothing in the
 * environment but PATH, the agent's two variables and the ENV_VAR parameters (HOLDFAST_ROOT stands for the
 * machine). The agent reads the outputs through pipes, so a process that the script leaves behind with them open
 * keeps the command in progress; that is kept here. `cancel` kills the group.
 */
export function runShellStep(
  run: HostRun,
  document: CommandDocument,
  step: ShellStep,
  values: Readonly<Record<string, string>>,
): { end: Promise<StepEnd>; cancel: () => Promise<void> } {
  const { host } = run;
  const { script, environment } = scriptOf(document, step, values);
  const { timeoutSeconds, workingDirectory } = step.inputs;
  const directory = join(run.directory, step.name);
  mkdirSync(directory, { recursive: true });
  const file = join(directory, '_script.sh');
  writeFileSync(file, script, { mode: 0o700 });
  const downloads = downloadsOf(run);
  const child = run.registry.start(`command ${run.id} on ${host.hostId}`, '/bin/sh', [file], {
    cwd: workingDirectory ?? (existsSync(downloads) ? downloads : directory),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      AWS_SSM_INSTANCE_ID: host.hostId,
      AWS_SSM_REGION_NAME: run.region,
      HOLDFAST_ROOT: host.root,
      ...environment,
    },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output.stdout = (output.stdout + text).slice(0, STDOUT_SHOWN);
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output.stderr = (output.stderr + text).slice(0, STDERR_SHOWN);
  });
  const leader = child.pid === undefined ? undefined : identify(child.pid);
  let timedOut = false;
  const cancel = async (): Promise<void> => {
    if (leader) await endProcess({ ...leader, group: true }, 5_000);
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  const timer = setTimeout(() => {
    timedOut = true;
    void cancel();
  }, timeoutSeconds * 1000);
  const end = new Promise<StepEnd>((resolve) => {
    child.once('error', (error) => {
      clearTimeout(timer);
      resolve({ exitCode: -1, stdout: '', stderr: error.message, timedOut: false });
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ exitCode: timedOut ? -1 : (code ?? -1), ...output, timedOut });
    });
  });
  return { end, cancel };
}
