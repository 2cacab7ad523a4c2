import { z } from 'zod';
import { id } from './ids.ts';
import { mariadbBackupSettingsSchema, xtrabackupSettingsSchema } from './tool-settings.ts';

/** Five-field cron (minute hour day month weekday), read in `zone`. */
const cron = z
  .string()
  .regex(/^(\S+\s+){4}\S+$/, 'must be five fields: minute hour day-of-month month day-of-week');

/** When and how to back up. Deployed as one SSM parameter; every job carries its own copy. Times are seconds unless the name says otherwise. */
export const policySchema = z.strictObject({
  v: z.literal(1).default(1),
  name: id,
  schedule: z.strictObject({
    cron,
    zone: z.string().min(1).default('UTC'),
    /** How late a slot may still start. The schedule spreads its starts over the first half, the second is for retries. */
    windowMinutes: z.int().min(1).max(1440).default(60),
  }),
  /** `physical`: a copy of the files; `logical`: a dump; `auto`: by size, a dump under 20 GB (changed below 18 or above 22 GB). */
  method: z.enum(['auto', 'physical', 'logical']),
  /** Incrementals between fulls; left out, every backup is a full one. */
  incrementals: z
    .strictObject({
      /** Incrementals that build on one full before the next full. */
      most: z.int().min(1).max(100).default(6),
      /** A restore of the chain must be predicted to take no longer, else the next backup is a full one. */
      restoreMinutes: z.int().min(1).max(10_080).optional(),
      /** So long after its instant a slot's attempts wait for the member of the chain, where that is away; then a full of another. */
      waitMinutes: z.int().min(0).max(1440).default(0),
    })
    .optional(),
  attempts: z.int().min(1).max(10).default(3),
  keepDays: z.int().min(1).max(3650).default(35),
  copies: z.array(id).max(5).default([]),
  /** Flush before the tool starts, so that redo to copy is short; costs a burst of writes (`auto`: on replicas only). */
  checkpointFirst: z.enum(['auto', 'always', 'never']).default('auto'),
  /** Stop the replica's applier during the backup, so that the fingerprint is exact. */
  stopApplier: z.boolean().default(true),
  codec: z.enum(['zstd', 'none']).default('zstd'),
  zstdLevel: z.int().min(1).max(19).default(1),
  memoryMiB: z.int().min(192).max(16384).default(512),
  uploadsInFlight: z.int().min(1).max(16).default(3),
  /** 4 copy threads of the tool: one reads ahead while another waits for its disk. */
  toolThreads: z.int().min(1).max(64).default(2),
  xtrabackup: xtrabackupSettingsSchema
    .refine((s) => !(s.pageTracking && s.lockDdl === 'reduced'), {
      path: ['pageTracking'],
      message: 'cannot be had together with lockDdl: reduced',
    })
    .optional(),
  mariadbBackup: mariadbBackupSettingsSchema.optional(),
  stallSeconds: z.int().min(10).max(7200).default(600),
  /** Longest time the tool may hold the lock that blocks commits. */
  lockBudgetSeconds: z.int().min(1).max(300).default(5),
  /** Longest time the tool may hold the locks that block DDL. */
  ddlLockBudgetSeconds: z.int().min(1).max(86400).default(3600),
  deadlineHours: z.int().min(1).max(47).default(24),
  maxReplicaLagSeconds: z.int().min(0).max(864000).default(300),
  /** A backup whose bytes leave this band around the median of the last ones is suspect (percent). */
  bandPercent: z.int().min(1).max(100).default(50),
  /** Archiving of binary logs by the resident agent. Off until it is asked for: a fleet that is upgraded starts nothing new. */
  logs: z
    .strictObject({
      archive: z.boolean().default(false),
      /** A segment is sealed after so long at the latest: what the loss of a host may cost. */
      intervalSeconds: z.int().min(2).max(3600).default(60),
      /** A larger one is sealed at once; in the memory of the agent until then. */
      segmentMiB: z.int().min(1).max(32).default(16),
    })
    .prefault({}),
  caps: z
    .strictObject({
      fleet: z.int().min(1).max(10000).default(200),
      site: z.int().min(1).max(10000).default(100),
      physicalHost: z.int().min(1).max(100).default(1),
    })
    .prefault({}),
});

export type Policy = z.infer<typeof policySchema>;
