import { z } from 'zod';
import { id, instant, mintedId, slotId } from './ids.ts';

/** Source of every event on the installation's own bus. */
export const eventSource = 'holdfast';

const base = { version: z.literal(1), clusterId: id, at: instant };

export const eventDetailSchemas = {
  'Backup Succeeded': z.object({
    ...base,
    backupId: mintedId,
    slot: slotId.nullable(),
    bytes: z.number(),
    storedBytes: z.number(),
    seconds: z.number(),
  }),
  'Backup Failed': z.object({
    ...base,
    backupId: mintedId.nullable(),
    slot: slotId.nullable(),
    attempt: z.number(),
    error: z.string(),
    cause: z.string(),
  }),
  'Backup Verified': z.object({
    ...base,
    backupId: mintedId,
    slot: slotId.nullable(),
    volumes: z.number(),
    state: z.enum(['verified', 'suspect']),
    reasons: z.array(z.string()),
  }),
  'Restore Completed': z.object({
    ...base,
    backupId: mintedId,
    hostId: id,
    directory: z.string(),
    comparison: z.enum(['exact', 'bounded']),
    seconds: z.number(),
  }),
} as const;

export type EventName = keyof typeof eventDetailSchemas;
