import { z } from 'zod';
import { id, mintedId } from '../../contract/records/ids.ts';
import { restoreTargetSchema } from '../../contract/records/restore-target.ts';

/** What an operator asks of the machine Restore. `tables` and `to` are known words whose time has not come. */
export const restoreRequestSchema = z.strictObject({
  v: z.literal(1),
  clusterId: id,
  /** Of one backup, or `latest`. */
  backupId: mintedId,
  target: restoreTargetSchema,
  allowSuspect: z.boolean().default(false),
  tables: z.unknown().optional(),
  to: z.unknown().optional(),
});

export type RestoreRequest = z.infer<typeof restoreRequestSchema>;

const wholeBackup = z.strictObject({ backup: z.literal(true) });

/** Why this kind of restore is not available yet, naming the field; undefined when it is. */
export function notYet(request: Pick<RestoreRequest, 'tables' | 'to'>): string | undefined {
  if (request.tables !== undefined) {
    return 'tables: single tables are not restored yet; leave it out and the whole cluster is restored';
  }
  if (request.to !== undefined && !wholeBackup.safeParse(request.to).success) {
    const shown = JSON.stringify(request.to).slice(0, 200);
    return `to: ${shown} is not available yet; {"backup": true} or leaving it out restores the state of the backup`;
  }
  return undefined;
}
