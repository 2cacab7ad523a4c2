import { NamedError } from '../../contract/errors/named-error.ts';
import { readStored } from '../../contract/formats/codec.ts';
import {
  type AgentOrders,
  type AgentReport,
  agentKey,
  agentReportSchema,
} from '../../contract/records/agent.ts';
import { present } from './condition.ts';
import type { JobsDeps } from './job.ts';
import { makeTable } from './table.ts';

/** What a host's agent has said, and the orders that its row carries, as text to compare. */
export type AgentSaid = { row: boolean; report: AgentReport | undefined; ordered: string };

/**
 * Control's side of the rows of agents, which lie beside the jobs of their hosts. A host can write all of its row, so
 * only the report is taken from it, and orders are written as control has them and never read back.
 */
export function makeAgents(deps: JobsDeps) {
  const table = makeTable({ client: deps.client, table: deps.jobs });
  return {
    /** A report that cannot be read counts as none. */
    async get(userid: string): Promise<AgentSaid> {
      const item = await table.get(agentKey(userid));
      if (item === undefined) return { row: false, report: undefined, ordered: '' };
      const ordered = JSON.stringify(item.orders ?? null);
      try {
        const report =
          item.report === undefined
            ? undefined
            : readStored(agentReportSchema, 'report of an agent', item.report);
        return { row: true, report, ordered };
      } catch (thrown) {
        if (!(thrown instanceof NamedError)) throw thrown;
        return { row: true, report: undefined, ordered };
      }
    },

    /** Writes the orders of a host, over those of before. */
    async order(userid: string, hostId: string, orders: AgentOrders): Promise<void> {
      const changed = await table.update(agentKey(userid), { set: { orders, hostId } }, present('pk'));
      if (changed === undefined) await table.put({ v: 1, ...agentKey(userid), hostId, orders });
    },
  };
}

export type Agents = ReturnType<typeof makeAgents>;
