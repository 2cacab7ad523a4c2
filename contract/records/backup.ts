import { z } from 'zod';
import { positionSchema } from '../positions/position.ts';
import { id, instant, mintedId, sha256Hex, slotId } from './ids.ts';

/** A site as orders and records name it. */
export const siteRefSchema = z.object({ site: id, bucket: z.string(), region: z.string() });

export const backupStateSchema = z.enum([
  'running',
  'failed',
  'lost',
  'committed',
  'verified',
  'suspect',
  'proven',
  'quarantined',
  'expiring',
  'expired',
]);

const lsn = z.string().regex(/^\d{1,20}$/, 'must be a decimal number of 64 bits');

/** LSNs as the tool says them, as decimal text: what lies before `from` is in the parent, `to` is where a child goes on. */
export const lsnRangeSchema = z.object({ from: lsn, to: lsn, last: lsn });

/**
 * The server and the files that a backup was taken of. An incremental needs the same ones: the LSNs of others count
 * something else. `files` tells a data directory from another one that was put in its place under the same server.
 */
export const originSchema = z.object({
  uuid: z.string(),
  serverId: z.number(),
  datadir: z.string(),
  files: z.string(),
});

/** What an incremental builds on: the parent is in `parent` of the plan; its data ends at `fromLsn`. */
export const incrementSchema = z.object({
  /** The chain up to the parent, base first: with the manifest alone it can be restored. */
  links: z.array(z.string()).min(1).max(200),
  fromLsn: lsn,
  origin: originSchema,
  serverVersion: z.string(),
  toolVersion: z.string(),
});

/** What the plan decided, as the job and the manifest carry it. */
export const backupPlanSchema = z.object({
  method: z.enum(['physical', 'logical']),
  level: z.enum(['full', 'incremental']),
  /** Why this method, level and member: shown to operators. */
  reasons: z.array(z.string()),
  role: z.enum(['primary', 'replica', 'standalone']),
  checkpointFirst: z.boolean(),
  stopApplier: z.boolean(),
  volumeBytes: z.int().min(1),
  uploadsInFlight: z.int().min(1),
  frameBytes: z.int().min(1),
  expectedBytes: z.number().min(0),
  /** Named pipes that the tool writes to, each a stream `fifo-0`, `fifo-1`, …; left out: its stdout, the stream `main`. */
  fifoStreams: z.int().min(2).max(16).optional(),
  /** Of a logical backup: bytes that its dump may have on the host's disk before they are stored. */
  spoolBytes: z.int().min(0).optional(),
  chain: z.string(),
  parent: z.string().nullable(),
  timeline: z.string(),
  /** Of an incremental only. */
  increment: incrementSchema.optional(),
  deadlineSeconds: z.int(),
});

/** A backup as the catalog holds it: a fold of its receipts, or of the machine's notes while it has none. */
export const backupRecordSchema = z.object({
  v: z.literal(1),
  clusterId: id,
  backupId: mintedId,
  jobId: mintedId,
  execution: z.string(),
  slot: slotId.nullable(),
  attempt: z.int().min(1),
  state: backupStateSchema,
  /** One backup is recorded per slot; a second one is an extra. */
  extra: z.boolean().default(false),
  reasons: z.array(z.string()).default([]),
  engine: z.string(),
  flavour: z.string(),
  method: z.enum(['physical', 'logical']),
  level: z.enum(['full', 'incremental']),
  /** Of the plan: why this method, level and member. */
  why: z.array(z.string()).optional(),
  /** Of the plan: the chain it belongs to, the backup it builds on, the log history its positions lie on. */
  chain: z.string().optional(),
  parent: z.string().nullable().optional(),
  timeline: z.string().optional(),
  memberId: id,
  hostId: id,
  site: siteRefSchema,
  startedAt: instant,
  committedAt: instant.optional(),
  verifiedAt: instant.optional(),
  provenAt: instant.optional(),
  manifestSha256: sha256Hex.optional(),
  manifestVersionId: z.string().optional(),
  bytes: z.number().optional(),
  storedBytes: z.number().optional(),
  volumes: z.number().optional(),
  tables: z.number().optional(),
  rows: z.number().optional(),
  position: positionSchema.nullable().optional(),
  comparison: z.enum(['exact', 'bounded']).optional(),
  serverVersion: z.string().optional(),
  toolVersion: z.string().optional(),
  restoreBytes: z.number().optional(),
  /** What an incremental on this one needs to be the same. Backups of before have none, and no child. */
  lsn: lsnRangeSchema.nullable().optional(),
  origin: originSchema.optional(),
  role: z.enum(['primary', 'replica', 'standalone']).optional(),
  /** How long a restore of it and its chain took that proved it. */
  restoreSeconds: z.number().optional(),
  error: z.object({ name: z.string(), cause: z.string() }).optional(),
  /** When the last of what an attempt without a manifest had stored was deleted. */
  clearedAt: instant.optional(),
});

export type SiteRef = z.infer<typeof siteRefSchema>;
export type BackupState = z.infer<typeof backupStateSchema>;
export type BackupPlan = z.infer<typeof backupPlanSchema>;
export type Origin = z.infer<typeof originSchema>;
export type Increment = z.infer<typeof incrementSchema>;
export type BackupRecord = z.infer<typeof backupRecordSchema>;
