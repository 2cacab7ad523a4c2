import { z } from 'zod';
import { tableRelationsSchema } from '../mysql-files/relations.ts';
import { positionSchema } from '../positions/position.ts';
import { backupPlanSchema, lsnRangeSchema, siteRefSchema } from '../records/backup.ts';
import { id, instant, mintedId, sha256Hex, slotId, streamName } from '../records/ids.ts';
import { policySchema } from '../records/policy.ts';
import { toolKeySchema } from '../records/tool-key.ts';
import { fingerprintSchema } from './fingerprint.ts';

export const manifestVersion = 1;

/** A number of things, bytes or seconds: no table takes a larger one, and no reader counts further. */
const amount = z.number().min(0).max(Number.MAX_SAFE_INTEGER);

/** What one job wrote of one stream. `index` is the key of the index file that lists its volumes, with the SHA-256 of its stored bytes. */
export const streamSummarySchema = z.object({
  stream: streamName,
  jobId: mintedId,
  codec: z.enum(['zstd', 'none']),
  volumes: z.int().min(1),
  bytes: z.int().min(0),
  storedBytes: z.int().min(0),
  frames: z.int().min(0),
  index: z.object({ key: z.string(), bytes: z.int(), sha256: sha256Hex, version: z.string().nullable() }),
});

/** The small last object that the host writes; without it there is no backup. */
export const manifestSchema = z.object({
  v: z.literal(manifestVersion),
  clusterId: id,
  backupId: mintedId,
  jobId: mintedId,
  memberId: id,
  hostId: id,
  slot: slotId.nullable(),
  engine: z.string(),
  flavour: z.string(),
  site: siteRefSchema,
  plan: backupPlanSchema,
  startedAt: instant,
  committedAt: instant,
  runnerVersion: z.string(),
  server: z.object({
    version: z.string(),
    uuid: z.string(),
    serverId: z.number(),
    /** Where the data lay, and what tells these files from others put in their place. */
    datadir: z.string().optional(),
    files: z.string().optional(),
    role: z.enum(['primary', 'replica', 'standalone']),
    /** Variables without which the data cannot live again (page size, lower_case_table_names, character set, plugins, …). */
    variables: z.record(z.string(), z.string()),
    /**
     * Accounts and roles (`'app'@'%'`) and functions of libraries, and where in the backup they lie; undefined in backups
     * of releases that did not name them. Plugins are among the variables.
     */
    accounts: z
      .object({
        in: z.string(),
        names: z.array(z.string()).max(100_000),
        functions: z.array(z.string()).max(10_000),
      })
      .optional(),
    /** The options of the server's files as `--print-defaults` shows them, passwords removed. */
    options: z.array(z.string()),
  }),
  tool: z.object({
    name: z.string(),
    version: z.string(),
    arguments: z.array(z.string()),
    exitCode: z.literal(0),
  }),
  /** Position of the data after prepare, with what the tool said of its LSNs. */
  position: positionSchema.nullable(),
  lsn: lsnRangeSchema.nullable(),
  streams: z.array(streamSummarySchema).min(1),
  metrics: z.object({
    seconds: amount,
    lockSeconds: amount,
    applierStoppedSeconds: amount,
    bytes: amount,
    storedBytes: amount,
    files: amount,
    tables: amount,
    rows: amount,
  }),
  /** `exact`: fingerprint and backup stand at one position. `bounded`: proven only by replaying to the position of a fingerprint. */
  comparison: z.enum(['exact', 'bounded']),
  fingerprint: fingerprintSchema,
  /** A second reading, taken before the tool started, where the comparison is bounded. */
  fingerprintBefore: fingerprintSchema.optional(),
  /** What the files of single tables depend on; undefined in backups of releases that did not look. */
  relations: z.array(tableRelationsSchema).optional(),
  policy: policySchema,
  restore: z.object({
    /** Disk a restore needs: unpacked files and room for prepare. */
    bytes: amount,
    memoryBytes: amount,
    toolVersion: z.string(),
    /** Commands that restore this backup without holdfast. */
    byHand: z.array(z.string()),
    outsideDatadir: z.array(z.string()),
    /** Where the tool itself encrypted its files: the key that decrypts them, and where it was. */
    key: toolKeySchema.optional(),
  }),
});

export type StreamSummary = z.infer<typeof streamSummarySchema>;
export type Manifest = z.infer<typeof manifestSchema>;
