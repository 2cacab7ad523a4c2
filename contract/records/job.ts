import { z } from 'zod';
import { positionSchema } from '../positions/position.ts';
import { backupPlanSchema, siteRefSchema } from './backup.ts';
import { chainSchema } from './chain.ts';
import { clusterDocumentSchema, memberSchema } from './cluster.ts';
import { hostId, id, instant, mintedId, sha256Hex, slotId } from './ids.ts';
import { logOrderSchema, replayResultSchema } from './log-order.ts';
import { policySchema } from './policy.ts';
import {
  restoreTablesOrderSchema,
  restoreTablesResultSchema,
  tablesInspectionSchema,
  wantedTableSchema,
} from './restore-tables.ts';
import { restoreTargetSchema } from './restore-target.ts';
import { toolKeySchema } from './tool-key.ts';

export const protocolVersion = 1;

/** Seconds. A job not claimed by then is lost; the command's delivery timeout is shorter, so it cannot arrive later. */
export const claimSeconds = 300;
export const beatSeconds = 30;
/** A job without a beat for this long is lost; a runner without a successful beat stops itself a minute earlier. */
export const lostSeconds = 300;
export const fenceSeconds = 240;
/** A committing job is given up this long after its last beat, and only without a manifest. */
export const committingSeconds = 900;
/** The heartbeat of the callback task: three task heartbeats of 5 minutes. */
export const taskHeartbeatSeconds = 300;
export const heartbeatTimeoutSeconds = 900;

/** `check`: look at the host, and where named at one member, or at a directory a restore wants. */
export const checkOrderSchema = z.object({
  kind: z.literal('check'),
  engine: clusterDocumentSchema.shape.engine,
  flavour: clusterDocumentSchema.shape.flavour,
  member: memberSchema.optional(),
  policy: policySchema.optional(),
  target: restoreTargetSchema.optional(),
  /** Keys that a restore to the target needs. */
  keys: z.array(toolKeySchema).max(201).optional(),
  /** Tables that the member shall take beside its own. */
  tables: z.array(wantedTableSchema).optional(),
});

export const backupOrderSchema = z.object({
  kind: z.literal('backup'),
  clusterId: id,
  backupId: mintedId,
  engine: clusterDocumentSchema.shape.engine,
  flavour: clusterDocumentSchema.shape.flavour,
  member: memberSchema,
  slot: slotId.nullable(),
  policy: policySchema,
  site: siteRefSchema,
  plan: backupPlanSchema,
});

export const restoreOrderSchema = z.object({
  kind: z.literal('restore'),
  clusterId: id,
  backupId: mintedId,
  engine: clusterDocumentSchema.shape.engine,
  flavour: clusterDocumentSchema.shape.flavour,
  site: siteRefSchema,
  target: restoreTargetSchema,
  /** SHA-256 of the manifest's bytes as recorded, so that another manifest cannot be put in its place. */
  manifestSha256: sha256Hex,
  /** Of an incremental: the full it begins with and every incremental up to the backup itself, base first. */
  chain: chainSchema.optional(),
  /** What of the archived log is replayed after it; left out: the state of the backup. */
  log: logOrderSchema.optional(),
  policy: policySchema.pick({ stallSeconds: true, memoryMiB: true }),
});

export const orderSchema = z.discriminatedUnion('kind', [
  checkOrderSchema,
  backupOrderSchema,
  restoreOrderSchema,
  restoreTablesOrderSchema,
]);

export const jobStateSchema = z.enum([
  'queued',
  'claimed',
  'committing',
  'succeeded',
  'failed',
  'cancelled',
  'lost',
]);

/** What the runner reports at each beat. */
export const progressSchema = z.object({
  /** A sentence's start an operator understands: `streaming`, `preparing`, `comparing`, … */
  phase: z.string().max(60),
  bytes: z.number().min(0),
  expectedBytes: z.number().min(0),
  bytesPerSecond: z.number().min(0),
});

export const errorRecordSchema = z.object({
  name: z.string(),
  cause: z.string().max(4000),
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).optional(),
});

/**
 * A row of the jobs table. Written by dispatch in one transaction that requires `lock` to be still `execution`'s;
 * the runner updates state, beats, progress, result and error of its own rows, never `order`
 * (control decides by its own copy of the order, so a host that rewrites it gains nothing).
 */
export const jobRowSchema = z.object({
  v: z.literal(protocolVersion),
  pk: z.string(),
  sk: z.string(),
  jobId: mintedId,
  hostId,
  clusterId: id.nullable(),
  /** ARN of the execution that ordered it, or `register:<requestId>`. */
  execution: z.string(),
  /** Name of the lock it stands on; null for the checks of Register. */
  lock: z.string().nullable(),
  state: jobStateSchema,
  order: orderSchema,
  createdAt: instant,
  claimBy: instant,
  deadline: instant,
  /** Erased when the job ends. */
  token: z.string().optional(),
  claimedAt: instant.optional(),
  /** SHA-256 (hex) of a random secret that the claiming runner keeps in memory and shows to the broker. */
  claimSecretSha256: sha256Hex.optional(),
  runnerVersion: z.string().optional(),
  beatAt: instant.optional(),
  progress: progressSchema.optional(),
  /** Set by the runner when it has ended and nothing of it is left on the host. */
  endedAt: instant.optional(),
  result: z.unknown().optional(),
  error: errorRecordSchema.optional(),
  /** `yes` while queued, claimed or committing, or cancelled and not ended. */
  live: z.literal('yes').optional(),
  /** Epoch seconds after which DynamoDB may drop the row. */
  ttl: z.number(),
});

/** Key of a job row: the partition is the host's own identity as `aws:userid` has it, which is what IAM's LeadingKeys compares. */
export const jobKey = (userid: string, jobId: string) => ({ pk: userid, sk: `job#${jobId}` });

/** The job that a row is of, by its sort key, which its host cannot change. */
export const jobIdOfKey = (sk: string): string => sk.slice('job#'.length);

/** What a server told about itself in a check. */
export const memberInspectionSchema = z.object({
  memberId: z.string(),
  hostId: z.string(),
  reachable: z.boolean(),
  role: z.enum(['primary', 'replica', 'standalone']),
  serverVersion: z.string(),
  serverUuid: z.string(),
  serverId: z.number(),
  toolVersion: z.string().nullable(),
  /**
   * How the tool would be called for a full backup by the policy of the check; what the plan adds (a checkpoint first, the
   * LSN of an incremental) comes behind it. Only where the tool is there.
   */
  toolCommand: z.array(z.string().max(2000)).max(60).optional(),
  datadir: z.string(),
  /** Bytes of data files, without logs, undo and temporary space: what the 20 GB rule looks at. */
  dataBytes: z.number().min(0).max(Number.MAX_SAFE_INTEGER),
  /** The redo log as configured: what a restored server makes anew. */
  redoBytes: z.number().min(0).max(Number.MAX_SAFE_INTEGER),
  /** Redo since the last checkpoint, which a backup without a checkpoint first copies. */
  redoToCopyBytes: z.number().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  undoBytes: z.number().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  freeBytes: z.number(),
  lagSeconds: z.number().nullable(),
  position: positionSchema.nullable(),
  logsBinary: z.boolean(),
  /** Paths of tables outside the data directory (M18). */
  outsideDatadir: z.array(z.string()).max(50),
  /** Why this member must not be backed up; empty when it may. */
  ineligible: z.array(z.string()),
  /** What tells the files in `datadir` from others put in their place; a runner that takes no incrementals says nothing. */
  files: z.string().optional(),
  /** Of the reasons in `ineligible` those that speak against the physical method only. */
  onlyPhysical: z.array(z.string()).optional(),
  /** What a logical backup of it would need; undefined of a runner that takes none. */
  logical: z
    .object({
      toolVersion: z.string().nullable(),
      /** Room on the disk where a dump lies until it is stored. */
      spoolFreeBytes: z.number().min(0),
      /** Why a dump would not be the whole truth; empty when it would. */
      refusals: z.array(z.string()).max(20),
      /** The tool's call, as `toolCommand` is of the physical one. */
      toolCommand: z.array(z.string().max(2000)).max(60).optional(),
    })
    .optional(),
});

/** What a host told about the directory and port a restore wants. */
export const targetInspectionSchema = z.object({
  directoryState: z.enum(['absent', 'empty', 'not-empty', 'not-a-directory']),
  entries: z.array(z.string()).max(10),
  freeBytes: z.number(),
  portFree: z.boolean(),
  userExists: z.boolean(),
  /** Of the keys that were asked for those that are not there, or are others: a sentence each; undefined where none were. */
  missingKeys: z.array(z.string().max(600)).max(201).optional(),
});

export const checkResultSchema = z.object({
  kind: z.literal('check'),
  jobId: mintedId,
  hostId,
  runnerVersion: z.string(),
  protocol: z.number(),
  tools: z.record(z.string(), z.string().nullable()),
  memoryBytes: z.number(),
  /** What this runner can beyond a full backup and its restore; of one that says nothing, nothing more. */
  abilities: z.array(z.string().max(40)).max(50).optional(),
  member: memberInspectionSchema.optional(),
  target: targetInspectionSchema.optional(),
  tables: tablesInspectionSchema.optional(),
});

export const backupResultSchema = z.object({
  kind: z.literal('backup'),
  jobId: mintedId,
  backupId: mintedId,
  manifestKey: z.string(),
  manifestSha256: sha256Hex,
  bytes: z.number(),
  storedBytes: z.number(),
  volumes: z.number(),
});

export const restoreResultSchema = z.object({
  kind: z.literal('restore'),
  jobId: mintedId,
  backupId: mintedId,
  directory: z.string(),
  port: z.number(),
  socket: z.string(),
  serverId: z.number(),
  position: positionSchema.nullable(),
  comparison: z.enum(['exact', 'bounded']),
  tables: z.number(),
  rows: z.number(),
  /** Seconds by phase, for the measured restore time. */
  seconds: z.record(z.string(), z.number()),
  /** How to start and reach it, arguments as an operator would type them. */
  howToReach: z.string(),
  /** Of an order with a log: `comparison` is that of the backup's data before it, `position` what was reached. */
  replay: replayResultSchema.optional(),
});

export const resultSchema = z.discriminatedUnion('kind', [
  checkResultSchema,
  backupResultSchema,
  restoreResultSchema,
  restoreTablesResultSchema,
]);

export type CheckOrder = z.infer<typeof checkOrderSchema>;
export type BackupOrder = z.infer<typeof backupOrderSchema>;
export type RestoreOrder = z.infer<typeof restoreOrderSchema>;
export type Order = z.infer<typeof orderSchema>;
export type JobState = z.infer<typeof jobStateSchema>;
export type Progress = z.infer<typeof progressSchema>;
export type JobRow = z.infer<typeof jobRowSchema>;
export type MemberInspection = z.infer<typeof memberInspectionSchema>;
export type TargetInspection = z.infer<typeof targetInspectionSchema>;
export type CheckResult = z.infer<typeof checkResultSchema>;
export type BackupResult = z.infer<typeof backupResultSchema>;
export type RestoreResult = z.infer<typeof restoreResultSchema>;
export type JobResult = z.infer<typeof resultSchema>;
