import { z } from 'zod';
import { mariadbBackupRefused, refusalOfKeys, xtrabackupRefused } from './tool-options-refused.ts';

const absolutePath = z
  .string()
  .regex(/^\/[\w./+@:-]+$/, 'must be an absolute path of letters, digits and . _ / + @ : -')
  .max(1000);

/** A series in the tool's own history table, which is a write: sent to primaries only, on a replica it would be errant. */
const history = z.string().regex(/^[A-Za-z0-9_-]{1,60}$/);

/** Pairs of reads and writes of 10 MB each per second, as the tools count them. Their own brake; uploads have theirs. */
const throttle = z.int().min(1).max(10_000);

/** What only XtraBackup has. What is left out on purpose is told with the reason (`tool-options-refused.ts`). */
export const xtrabackupSettingsSchema = z.strictObject(
  {
    /** `on` blocks DDL while files are copied, `reduced` at the end only: 8.4.0-5 and later, there a technical preview. */
    lockDdl: z
      .enum(['on', 'reduced'], 'must be on or reduced; without the lock DDL makes a backup that is none')
      .default('on'),
    throttle: throttle.optional(),
    /** By the tool, file by file, in place of the runner's own `codec`, which must be `none` then. */
    compress: z
      .strictObject({
        algorithm: z.enum(['zstd', 'lz4']).default('zstd'),
        threads: z.int().min(1).max(64).default(2),
        level: z.int().min(1).max(19).default(1),
      })
      .optional(),
    /**
     * By the tool, with a key that the member's host and that of a restore both have: in a file of this path, or in a
     * secret `holdfast/<host>/<keySecret>`. 16, 24 or 32 bytes, with no line break behind them.
     */
    encrypt: z
      .strictObject({
        algorithm: z.enum(['AES128', 'AES192', 'AES256']).default('AES256'),
        keyFile: absolutePath.optional(),
        keySecret: z
          .string()
          .regex(/^[A-Za-z0-9/_+=.@-]{1,200}$/)
          .optional(),
        threads: z.int().min(1).max(64).default(2),
      })
      .refine(({ keyFile, keySecret }) => (keyFile === undefined) !== (keySecret === undefined), {
        path: ['keyFile'],
        message: 'or keySecret must be given, and not both',
      })
      .optional(),
    readBufferMiB: z.int().min(1).max(64).optional(),
    /**
     * Named pipes that the tool writes to at once, each a stream of the backup, in place of its stdout, which ends at some
     * 240 MB/s. At most `toolThreads`, and as many as the memory budget has room for.
     */
    fifoStreams: z.int().min(2).max(16).optional(),
    /**
     * Where a global read lock is needed (tables that are not of InnoDB): how long queries that already ran for the
     * threshold are waited for, before the backup gives up. Seconds.
     */
    ftwrlWaitSeconds: z.int().min(1).max(3600).default(60),
    ftwrlThresholdSeconds: z.int().min(1).max(3600).default(60),
    history: history.optional(),
    /** Incrementals read what the server noted as changed; needs component_mysqlbackup, and not together with `reduced`. */
    pageTracking: z.boolean().default(false),
    /** The server keeps redo until it is copied, and may stall writers for it. */
    registerRedoConsumer: z.boolean().default(false),
  },
  { error: refusalOfKeys(xtrabackupRefused) },
);

/** What only mariadb-backup has (M10). */
export const mariadbBackupSettingsSchema = z.strictObject(
  {
    throttle: throttle.optional(),
    history: history.optional(),
  },
  { error: refusalOfKeys(mariadbBackupRefused) },
);

export type XtrabackupSettings = z.infer<typeof xtrabackupSettingsSchema>;
export type MariadbBackupSettings = z.infer<typeof mariadbBackupSettingsSchema>;
