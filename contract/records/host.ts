import { z } from 'zod';
import { hostId, id, instant } from './ids.ts';

/** A host as an operator writes it. */
export const hostDocumentSchema = z.strictObject({
  hostId,
  account: z.string().regex(/^\d{12}$/, 'must be a 12-digit account id'),
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a region such as eu-central-1'),
  purposes: z.array(z.enum(['database', 'restore', 'drill', 'transfer', 'spare'])).min(1),
  /** The machine under it, where several hosts share one; without it a host is its own. */
  physicalHost: id.optional(),
});

/** A host as the catalog holds it. `userid` is `<RoleId>:<hostId>`, the partition of its job rows. */
export const hostRecordSchema = z.object({
  v: z.literal(1),
  document: hostDocumentSchema,
  userid: z.string().min(3),
  state: z.enum(['checking', 'registered']),
  registeredAt: instant,
});

export type HostDocument = z.infer<typeof hostDocumentSchema>;
export type HostRecord = z.infer<typeof hostRecordSchema>;
