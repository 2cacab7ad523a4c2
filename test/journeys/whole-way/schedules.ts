import { GetScheduleCommand, ListSchedulesCommand, UpdateScheduleCommand } from '@aws-sdk/client-scheduler';
import type { LocalTarget } from '../../../infra/local/target.ts';

/** Fleet backup and Reconcile run when a test says so, not when an hour or two minutes are over. */
export async function disableSchedules({ clients: { scheduler }, names }: LocalTarget): Promise<void> {
  const { Schedules } = await scheduler.send(new ListSchedulesCommand({ GroupName: names.scheduleGroup }));
  for (const { Name } of Schedules ?? []) {
    const at = { GroupName: names.scheduleGroup, Name };
    const { ScheduleExpression, ScheduleExpressionTimezone, FlexibleTimeWindow, Target } =
      await scheduler.send(new GetScheduleCommand(at));
    const same = { ScheduleExpression, ScheduleExpressionTimezone, FlexibleTimeWindow, Target };
    await scheduler.send(new UpdateScheduleCommand({ ...at, ...same, State: 'DISABLED' }));
  }
}
