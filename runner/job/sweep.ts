import type { Engine, EngineContext } from '../engines/engine.ts';
import { makeWorkDir, sweepWorkDirs } from '../host/files.ts';
import { sweepLockFiles } from '../host/lock-file.ts';
import { sweepSpools } from '../stream/spool.ts';

export type SweepParts = {
  engines: readonly Pick<Engine, 'sweepHost'>[];
  context: Omit<EngineContext, 'workDir'>;
  workRoot: string;
  spoolDir: string;
};

/**
 * Clears up after runners of this host that were killed: what they left stopped on servers, their work directories (with
 * option files in them), lock files and spools. What belongs to a runner that lives is left alone. Answers on how many
 * servers it failed.
 */
export async function sweepHost({ engines, context, workRoot, spoolDir }: SweepParts): Promise<number> {
  for (const swept of sweepWorkDirs(workRoot)) context.log('removed what a dead runner left', { job: swept });
  sweepLockFiles(workRoot);
  sweepSpools(spoolDir);
  const { directory, remove } = makeWorkDir(workRoot, 'sweep');
  try {
    let left = 0;
    for (const engine of engines) left += await engine.sweepHost({ ...context, workDir: directory });
    return left;
  } finally {
    remove();
  }
}
