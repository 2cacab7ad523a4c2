import { z } from 'zod';

/** `etc/runner.json` on a host: what the runner must know before it can ask for anything else. */
export const runnerSettingsSchema = z.strictObject({
  v: z.literal(1),
  region: z.string(),
  /** Where job rows are; a name in the same account, else its ARN. */
  jobsTable: z.string(),
  /** The function that narrows credentials for a restore. */
  brokerFunction: z.string(),
  /** Directory for work files; a tmpfs directory is made below /run where there is one. */
  workDir: z.string().optional(),
  /** Where tools are looked for, in this order, instead of the system's directories: a server installed elsewhere. */
  path: z
    .array(z.string().regex(/^\/[^\0:]*$/, 'must be an absolute path without a colon'))
    .min(1)
    .optional(),
});

export type RunnerSettings = z.infer<typeof runnerSettingsSchema>;
