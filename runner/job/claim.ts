import { createHash } from 'node:crypto';
import { z } from 'zod';
import { NamedError } from '../../contract/errors/named-error.ts';
import { readStored } from '../../contract/formats/codec.ts';
import { type JobRow, jobRowSchema, protocolVersion } from '../../contract/records/job.ts';
import type { JobRows, OwnJob } from './rows.ts';

export type ClaimedJob = OwnJob & {
  /** Shown to the broker; kept in memory only, the row has its hash. */
  secret: string;
  token: string | undefined;
  row: JobRow;
};

export type Claim =
  | { outcome: 'claimed'; job: ClaimedJob }
  /** Claimed, but this runner cannot do it: to be ended with the error at once. */
  | { outcome: 'unfit'; own: OwnJob; token: string | undefined; error: NamedError }
  | { outcome: 'not-ours'; reason: string };

/** What is needed of a row of any version to decide about it. */
const anyRowSchema = z.looseObject({
  v: z.number(),
  state: z.string(),
  claimBy: z.string(),
  token: z.string().optional(),
  claimSecretSha256: z.string().optional(),
});

/**
 * Takes the job when it is still to be had. Can be called again with the same secret when it broke half way. A second delivery of the command (F42), a job that was cancelled, and
 * one whose time to be claimed is over are left alone: control counts those as lost already.
 */
export async function claimJob(
  jobId: string,
  secret: string,
  { rows, now, runnerVersion }: { rows: JobRows; now: () => Date; runnerVersion: string },
): Promise<Claim> {
  const own = { jobId, claimSecretSha256: createHash('sha256').update(secret).digest('hex') };
  const found = anyRowSchema.safeParse(await rows.get(jobId));
  if (!found.success) return { outcome: 'not-ours', reason: 'this host has no such job' };
  const again = found.data.claimSecretSha256 === own.claimSecretSha256;
  if (found.data.state !== 'queued' && !again) {
    return { outcome: 'not-ours', reason: `the job is ${found.data.state}` };
  }
  if (now().getTime() > Date.parse(found.data.claimBy)) {
    return { outcome: 'not-ours', reason: `the job had to be claimed by ${found.data.claimBy}` };
  }
  const claim = await rows.claim(own, runnerVersion, now().toISOString());
  if (claim.outcome !== 'claimed') return { outcome: 'not-ours', reason: `the job is ${claim.state}` };
  const token = typeof claim.row.token === 'string' ? claim.row.token : undefined;
  const error = misfit(found.data.v, runnerVersion);
  if (error) return { outcome: 'unfit', own, token, error };
  try {
    const row = readStored(jobRowSchema, 'job row', claim.row);
    return { outcome: 'claimed', job: { ...own, secret, token, row } };
  } catch (unreadable) {
    return { outcome: 'unfit', own, token, error: unreadable as NamedError };
  }
}

function misfit(version: number, runnerVersion: string): NamedError | undefined {
  if (version === protocolVersion) return undefined;
  return new NamedError(
    'Runner.VersionUnsupported',
    `the order speaks version ${version}, this runner (${runnerVersion}) version ${protocolVersion}; ` +
      'install the runner that belongs to the control plane',
    { order: version, runner: protocolVersion, runnerVersion },
  );
}
