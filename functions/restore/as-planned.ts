import { z } from 'zod';
import type { LogOrder } from '../../contract/records/log-order.ts';
import { plannedRestoreSchema } from './plan-restore.ts';

/** What of a plan is shown again with the result. */
export const plannedSchema = z.object({
  point: plannedRestoreSchema.shape.point.nullish(),
  predictedSeconds: plannedRestoreSchema.shape.predictedSeconds.nullish(),
});

/** What the plan had said: the time that was reckoned, and the exact point with what leads to it. */
export type AsPlanned = {
  predictedSeconds?: number;
  log?: Pick<LogOrder, 'timeline' | 'until' | 'segments' | 'bytes'> & {
    from: string;
    lastCommit: string | null;
    perhapsLater: number;
  };
};

/** Executions of an older definition pass no plan; the order knows the point all the same. */
export function asPlanned(
  planned: z.infer<typeof plannedSchema> | null | undefined,
  log: LogOrder | undefined,
): AsPlanned {
  const { point, predictedSeconds } = planned ?? {};
  return {
    ...(predictedSeconds == null ? {} : { predictedSeconds }),
    ...(log === undefined
      ? {}
      : {
          log: {
            timeline: log.timeline,
            from: log.from.gtid || `${log.from.file}:${log.from.offset}`,
            until: log.until,
            segments: log.segments,
            bytes: log.bytes,
            ...(point ?? { lastCommit: null, perhapsLater: 0 }),
          },
        }),
  };
}
