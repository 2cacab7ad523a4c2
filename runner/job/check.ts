import { totalmem } from 'node:os';
import { type CheckOrder, type CheckResult, protocolVersion } from '../../contract/records/job.ts';
import type { Engine } from '../engines/engine.ts';
import type { Job } from './work.ts';

/** Looks at this host, and where the order names one, at a member or at the place a restore wants. Changes nothing. */
export async function runCheck(order: CheckOrder, job: Job, engine: Engine): Promise<CheckResult> {
  const { context } = job;
  context.progress('inspecting');
  const { member, target, tables } = order;
  return {
    kind: 'check',
    jobId: job.jobId,
    hostId: job.hostId,
    runnerVersion: job.runnerVersion,
    protocol: protocolVersion,
    tools: await engine.tools(context),
    memoryBytes: memoryBytes(),
    ...(engine.abilities ? { abilities: [...engine.abilities] } : {}),
    ...(member ? { member: await engine.inspect({ ...order, member }, context) } : {}),
    ...(target ? { target: await engine.inspectTarget({ ...order, target }, context) } : {}),
    ...(member && tables && engine.tables
      ? { tables: await engine.tables.inspect({ ...order, member, tables }, context) }
      : {}),
  };
}

/** Memory a job may use: the host's, or less where the unit or container it runs in is limited. */
function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
