import { z } from 'zod';
import { id, mintedId } from '../../contract/records/ids.ts';
import { mostTables } from '../../contract/records/restore-tables.ts';
import { restoreTargetSchema } from '../../contract/records/restore-target.ts';
import { untilSchema } from '../../contract/records/until.ts';

/** What an operator asks of the machine Restore. `to` is a known word whose time has not come. */
export const restoreRequestSchema = z.strictObject({
  v: z.literal(1),
  clusterId: id,
  /** Of one backup, or `latest`. */
  backupId: mintedId,
  target: restoreTargetSchema,
  allowSuspect: z.boolean().default(false),
  /** Up to where the archived log is replayed; left out: the state of the backup. */
  until: untilSchema.optional(),
  /** Only these, `schema.table` each, beside the live ones; `target` is then where they are prepared. */
  tables: z.array(z.string().min(3).max(129)).min(1).max(mostTables).optional(),
  /** The member that takes the tables. */
  into: id.optional(),
  to: z.unknown().optional(),
});

export type RestoreRequest = z.infer<typeof restoreRequestSchema>;

const wholeBackup = z.strictObject({ backup: z.literal(true) });

/** Why this kind of restore is not available yet, naming the field; undefined when it is. */
export function notYet(request: Pick<RestoreRequest, 'to'>): string | undefined {
  if (request.to !== undefined && !wholeBackup.safeParse(request.to).success) {
    const shown = JSON.stringify(request.to).slice(0, 200);
    return `to: ${shown} is not known; {"backup": true} or leaving it out restores the state of the backup, and until names a point in the log`;
  }
  return undefined;
}
