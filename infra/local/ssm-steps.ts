import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LocalHost } from './host.ts';
import type { ProcessRegistry } from './processes.ts';
import { type CommandDocument, type DownloadStep, interpolate } from './ssm-document.ts';
import { downloadsOf, type HostRun, runShellStep, type StepEnd } from './ssm-run.ts';

/** Fetches what a step's `sourceInfo` names into a file, with the rights of the host. */
export type Download = (hostId: string, sourceInfo: string, file: string) => Promise<void>;

export type DocumentEnd = Omit<StepEnd, 'exitCode'> & { status: 'Success' | 'Failed'; exitCode: number };

/**
 * Runs the steps of a document as the agent does (its runpluginutil.go): one after the other, also past a step that
 * failed, until one says exit; then only a last step that says finally. A step that failed fails the document, but for
 * `successAndExit`.
 */
export function runDocument(
  host: LocalHost,
  document: CommandDocument,
  values: Readonly<Record<string, string>>,
  { download, ...given }: { id: string; region: string; registry: ProcessRegistry; download: Download },
): { end: Promise<DocumentEnd>; cancel: () => Promise<void> } {
  const run: HostRun = { ...given, host, directory: join(host.root, 'var/ssm', given.id) };
  let cancelStep = async (): Promise<void> => {};
  let cancelled = false;
  const runAll = async (): Promise<DocumentEnd> => {
    const all: DocumentEnd = { status: 'Success', exitCode: 0, stdout: '', stderr: '', timedOut: false };
    let exited = false;
    for (const step of document.content.mainSteps) {
      if (cancelled) break;
      const last = step === document.content.mainSteps.at(-1);
      if (exited && !(last && step.inputs.finallyStep)) continue;
      const started =
        step.action === 'aws:runShellScript'
          ? runShellStep(run, document, step, values)
          : { end: downloadStep(run, document, step, values, download), cancel: async () => {} };
      cancelStep = started.cancel;
      const end = await started.end;
      all.stdout += end.stdout;
      all.stderr += end.stderr;
      all.timedOut ||= end.timedOut;
      const failed = end.exitCode !== 0;
      const { onFailure, onSuccess } = step.inputs;
      const good = failed && !end.timedOut && onFailure === 'successAndExit';
      if (failed && !good) Object.assign(all, { status: 'Failed', exitCode: end.exitCode });
      exited ||= failed ? onFailure !== undefined && !end.timedOut : onSuccess === 'exit';
    }
    return all;
  };
  return {
    end: runAll(),
    cancel: async () => {
      cancelled = true;
      await cancelStep();
    },
  };
}

async function downloadStep(
  run: HostRun,
  document: CommandDocument,
  step: DownloadStep,
  values: Readonly<Record<string, string>>,
  download: Download,
): Promise<StepEnd> {
  const downloads = downloadsOf(run);
  mkdirSync(downloads, { recursive: true });
  const file = join(downloads, step.inputs.destinationPath);
  try {
    await download(run.host.hostId, interpolate(document, values, step.inputs.sourceInfo), file);
    return { exitCode: 0, stdout: `Content downloaded to ${file}\n`, stderr: '', timedOut: false };
  } catch (error) {
    return {
      exitCode: 1,
      stdout: '',
      stderr: `${step.name}: ${(error as Error).message}\n`,
      timedOut: false,
    };
  }
}
