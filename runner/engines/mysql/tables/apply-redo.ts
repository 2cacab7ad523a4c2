import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { EngineContext } from '../../engine.ts';
import { type IsLeftOut, missingSpaceOf } from '../restore/prepare.ts';
import { withStagedServer } from '../restore/staged-server.ts';
import type { ScratchPlace } from './scratch.ts';

/** MySQL will not start where redo is left of tablespaces whose files it does not find. */
const refusal = /\[MY-012179\]|\[MY-012964\]/;

export const leavesRedo = (line: string): boolean => refusal.test(line);

/**
 * Has a MySQL apply the redo that its tool has left to it, without that of tablespaces that are not there, and end
 * cleanly, so that it starts as usual afterwards. What it misses must have been left out on purpose (M19).
 */
export async function applyRedo(
  place: ScratchPlace,
  context: EngineContext,
  isLeftOut: IsLeftOut,
): Promise<void> {
  const missed: string[] = [];
  const onLine = (line: string) => {
    const missing = missingSpaceOf(line);
    if (missing !== undefined && !isLeftOut(missing)) missed.push(missing.path);
  };
  context.progress('applying redo');
  // 1: pages of missing tablespaces are passed over, and nothing else of recovery is.
  const args = ['--innodb-force-recovery=1'];
  await withStagedServer({ ...place, context, args, onLine }, async () => undefined);
  if (missed.length === 0) return;
  throw new NamedError('Restore.PrepareWarned', `without a file: ${missed.slice(0, 20).join('; ')}`, {
    tables: missed.length,
  });
}
