import { SendCommandCommand } from '@aws-sdk/client-ssm';
import type { Places } from './places.ts';

/** Starts the runner for a job on its host. `failed` says why, for good: the SDK has used up its tries. */
export type Launch = (host: {
  hostId: string;
  account: string;
  region: string;
  jobId: string;
}) => Promise<{ outcome: 'launched' } | { outcome: 'failed'; cause: string }>;

/** Shorter than the time to claim (300 s), so that a command cannot arrive at a job that is already lost. */
export const deliverySeconds = 240;

/** Launches by our own SSM document with one parameter, the job's id. */
export const makeLaunch =
  (places: Places): Launch =>
  async ({ hostId, account, region, jobId }) => {
    try {
      const place = places.of(account, region);
      await place.ssm.send(
        new SendCommandCommand({
          DocumentName: place.document,
          InstanceIds: [hostId],
          Parameters: { JobId: [jobId] },
          TimeoutSeconds: deliverySeconds,
          Comment: `holdfast ${jobId}`,
        }),
      );
      return { outcome: 'launched' };
    } catch (thrown) {
      const { name, message } =
        thrown instanceof Error ? thrown : { name: 'unknown', message: String(thrown) };
      const hint =
        name === 'InvalidInstanceId'
          ? `SSM in ${account}/${region} does not know the host or it is not online: is its agent running, and is the hostId its SSM node id?`
          : message;
      return { outcome: 'failed', cause: `host ${hostId} could not be sent its command (${name}): ${hint}` };
    }
  };
