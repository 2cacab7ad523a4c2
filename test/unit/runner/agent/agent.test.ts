import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentOrders, AgentReport, ArchiveEnd, SetOrder } from '../../../../contract/records/agent.ts';
import { type AgentParts, runAgent } from '../../../../runner/agent/agent.ts';
import type { Archiver } from '../../../../runner/agent/archiver.ts';
import { makeClock } from '../../../../runner/host/clock.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'agent-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const end: ArchiveEnd = {
  key: 'shop/logs/main/t-1/2026-11-23/000000004-0123456789abcdef.segment',
  crc: '00000001',
  seq: 4,
  epoch: 1,
  serverUuid: 'u-1',
  log: { file: 'binlog.000007', from: 4, to: 900, last: false, crc: '00000002' },
  end: { kind: 'mysql', flavour: 'mariadb', gtid: '0-1-9', file: 'binlog.000007', offset: 900 },
  openAfter: null,
  seen: '2026-11-23T01:00:00.000Z',
};
const order = (changes: Partial<NonNullable<SetOrder['archive']>> = {}): SetOrder => ({
  clusterId: 'shop',
  set: 'main',
  flavour: 'mariadb',
  member: {
    memberId: 'db1',
    set: 'main',
    hostId: 'mi-0abc',
    socket: '/run/s.sock',
    datadir: '/var/lib/mysql',
    credential: { kind: 'socket', user: 'root' },
  },
  site: { site: 'home', bucket: 'vault', region: 'eu-west-1' },
  archive: {
    timeline: 't-1',
    epoch: 1,
    intervalSeconds: 60,
    segmentBytes: 1_048_576,
    after: null,
    anchor: null,
    ...changes,
  },
});
const ordersOf = (...sets: SetOrder[]): AgentOrders => ({ at: '2026-11-23T01:00:00.000Z', sets });

/** An agent whose row answers these orders, one report after the other, the last one for ever. */
function agentAt(answers: (AgentOrders | undefined | Error)[]) {
  const reports: AgentReport[] = [];
  const events: string[] = [];
  const stop = new AbortController();
  let superseded = false;
  let stored = () => {};
  const parts: AgentParts = {
    runnerVersion: 'test',
    rows: {
      report: async (report) => {
        reports.push(report);
        const answer = answers.length > 1 ? answers.shift() : answers[0];
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    clock: makeClock(),
    log: () => {},
    makeArchiver: (of, told): Archiver => {
      const name = `${of.member.memberId} epoch ${of.archive?.epoch}`;
      stored = told;
      events.push(`begins ${name}`);
      return {
        tick: async () => 5,
        report: () => ({
          clusterId: of.clusterId,
          set: of.set,
          memberId: of.member.memberId,
          reachable: true,
          role: 'primary',
          serverVersion: '10.11.19-MariaDB',
          serverUuid: 'u-1',
          unfit: [],
          gtid: '0-1-9',
          archive: null,
        }),
        close: async () => void events.push(`ends ${name}`),
      };
    },
    purgeDirectory: join(directory, 'purge'),
    boundLog: () => {},
    superseded: () => superseded,
    signal: stop.signal,
    reportMs: 600_000,
    soonestMs: 10,
  };
  const done = runAgent(parts);
  return {
    reports,
    events,
    done,
    stop: () => stop.abort(),
    stored: () => stored(),
    supersede: () => {
      superseded = true;
    },
    until: async (what: () => boolean) => {
      for (let i = 0; i < 400 && !what(); i++) await sleep(5);
      expect(what()).toBe(true);
    },
  };
}

describe('the agent', () => {
  it('ends where control has no row for its host, or orders nothing of it', async () => {
    for (const answer of [undefined, ordersOf()]) {
      const agent = agentAt([answer]);
      await agent.done;
      expect(agent.events).toEqual([]);
    }
  });

  it('begins what is ordered, and says so with the next report', async () => {
    const agent = agentAt([ordersOf(order())]);
    await agent.until(() => agent.reports.length >= 2);
    expect(agent.events).toEqual(['begins db1 epoch 1']);
    expect(agent.reports[1]!.sets.map(({ memberId }) => memberId)).toEqual(['db1']);
    agent.stop();
    await agent.done;
    expect(agent.events).toEqual(['begins db1 epoch 1', 'ends db1 epoch 1']);
  });

  it('reports a stored segment at once, not with the next minute', async () => {
    const agent = agentAt([ordersOf(order())]);
    await agent.until(() => agent.reports.length === 2);
    await sleep(60);
    expect(agent.reports.length).toBe(2);
    agent.stored();
    await agent.until(() => agent.reports.length === 3);
    agent.stop();
    await agent.done;
  });

  it('goes on with the same work when only the record has grown, and publishes what may be purged', async () => {
    const agent = agentAt([ordersOf(order()), ordersOf(order({ after: end }))]);
    const published = join(directory, 'purge/shop.main.db1');
    await agent.until(() => readdirSync(join(directory, 'purge')).includes('shop.main.db1'));
    expect(readFileSync(published, 'utf8')).toBe('binlog.000007\n');
    expect(agent.events).toEqual(['begins db1 epoch 1']);
    agent.stop();
    await agent.done;
  });

  it('ends what is ordered otherwise before it begins it anew, and takes back what it published', async () => {
    const agent = agentAt([ordersOf(order({ after: end })), ordersOf(order({ epoch: 2 }))]);
    await agent.until(() => agent.events.length === 3);
    expect(agent.events).toEqual(['begins db1 epoch 1', 'ends db1 epoch 1', 'begins db1 epoch 2']);
    expect(readdirSync(join(directory, 'purge'))).toEqual([]);
    agent.stop();
    await agent.done;
  });

  it('goes on archiving while its row cannot be reached, and ends for another release', async () => {
    const agent = agentAt([ordersOf(order()), new Error('no network')]);
    await agent.until(() => agent.reports.length === 2);
    expect(agent.events).toEqual(['begins db1 epoch 1']);
    agent.supersede();
    agent.stored();
    await agent.done;
    expect(agent.events.at(-1)).toBe('ends db1 epoch 1');
  });
});
