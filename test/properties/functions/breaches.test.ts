import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BackupRecord } from '../../../contract/records/backup.ts';
import { makeCatalog } from '../../../functions/catalog/catalog.ts';
import type { SlotRecord } from '../../../functions/catalog/slot.ts';
import type { Message } from '../../../functions/clients/topic.ts';
import { reconcileCoverage } from '../../../functions/coverage/reconcile-coverage.ts';
import { newestSlot } from '../../../functions/fleet/slot.ts';
import { silent } from '../../../functions/log/log.ts';
import { makeMemoryDynamoDb } from '../../doubles/memory-dynamodb.ts';
import { aBackup, aCluster, aPolicy } from '../../doubles/records.ts';

const start = Date.parse('2026-11-23T00:00:00.000Z');
const policy = aPolicy({ schedule: { cron: '0 * * * *', zone: 'UTC', windowMinutes: 30 } });
const states = ['running', 'failed', 'lost', 'verified', 'verified', 'suspect', 'proven'] as const;
const names = ['a', 'b', 'c'];

/** What the world may do between two passes, and what the topic does during the next. */
const steps = fc.array(
  fc.record({
    minutes: fc.integer({ min: 1, max: 90 }),
    backup: fc.option(fc.record({ of: fc.constantFrom(...names), state: fc.constantFrom(...states) })),
    slot: fc.option(
      fc.record({ of: fc.constantFrom(...names), state: fc.constantFrom('open', 'failed', 'recorded') }),
    ),
    pause: fc.option(fc.record({ of: fc.constantFrom(...names), hours: fc.integer({ min: 0, max: 3 }) }), {
      freq: 6,
    }),
    unclaimed: fc.subarray(names),
    /** Passes at the same time, each some steps of the others late. */
    passes: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 3 }),
    topic: fc.constantFrom('takes', 'takes', 'takes', 'refuses', 'loses its answer'),
  }),
  { minLength: 1, maxLength: 60 },
);

const told = ({ attributes, body }: Message) => ({
  phase: attributes.phase,
  since: /^since +(\S+)/m.exec(body)?.[1],
});

describe('breaches', () => {
  it('are told to begin and to be over in turn, by any number of passes, and as many as are noted', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.scheduler(), async (world, scheduler) => {
        const { client } = makeMemoryDynamoDb();
        const { coverages, breaches } = makeCatalog({ client, table: 'catalog', jobs: 'jobs' });
        const { list, begin, clear, claim, told: confirm } = breaches;
        // Passes at the same time take their steps in any order.
        const inAnyOrder = {
          list: scheduler.scheduleFunction(list),
          begin: scheduler.scheduleFunction(begin),
          clear: scheduler.scheduleFunction(clear),
          claim: scheduler.scheduleFunction(claim),
          told: scheduler.scheduleFunction(confirm),
        };
        const backups = new Map<string, BackupRecord[]>(names.map((name) => [name, []]));
        const slots = new Map<string, SlotRecord>();
        const clusters = names.map((clusterId) => ({
          ...aCluster({ clusterId }),
          registeredAt: new Date(start).toISOString(),
        }));
        const taken: Message[] = [];
        const certain = new Set<Message>();
        let now = start;
        for (const { minutes, backup, slot, pause, unclaimed, passes, topic } of world) {
          now += minutes * 60_000;
          const at = new Date(now).toISOString();
          if (backup) {
            const { of, state } = backup;
            const made = aBackup({ clusterId: of, backupId: `b${now}`, slot: null, state, startedAt: at });
            backups.set(of, [made, ...(backups.get(of) ?? [])]);
          }
          const newest = newestSlot(policy.schedule, new Date(now));
          if (slot && newest) {
            const record = { v: 1 as const, clusterId: slot.of, slot: newest.slot, state: slot.state };
            slots.set(slot.of, { ...record, attempt: 3, openedAt: at });
          }
          if (pause) {
            const until = new Date(now + pause.hours * 3_600_000).toISOString();
            const cluster = clusters.find(({ document }) => document.clusterId === pause.of);
            if (cluster) cluster.document = { ...cluster.document, paused: { until, reason: 'so' } };
          }
          const publish = scheduler.scheduleFunction(async (message: Message) => {
            if (topic === 'refuses') throw new Error('throttled');
            taken.push(message);
            if (topic === 'loses its answer') throw new Error('reset');
            certain.add(message);
          });
          const deps = {
            coverages,
            breaches: inAnyOrder,
            publish,
            backups: {
              list: scheduler.scheduleFunction(async (clusterId: string) => backups.get(clusterId) ?? []),
            },
            slots: {
              list: async (clusterId: string, since: string) =>
                [slots.get(clusterId)].filter((s) => s !== undefined && s.slot >= since) as SlotRecord[],
            },
            getPolicy: async () => policy,
            backupMachineArn: 'arn:aws:states:eu-central-1:111122223333:stateMachine:holdfast-backup',
            installation: 'holdfast',
            now: () => new Date(now),
            log: silent,
          };
          const found = unclaimed.map((name) => `s3://b/${name}/backups/x/manifest.json`);
          const pass = { clusters, share: clusters, unclaimed: { unclaimed: found, failed: 0 } };
          const answers = await scheduler.waitFor(
            Promise.all(
              passes.map(async (late) => {
                for (let n = 0; n < late; n++) await scheduler.schedule(Promise.resolve());
                return reconcileCoverage(deps, pass);
              }),
            ),
          );
          for (const { counts } of answers) {
            if (counts === undefined) throw new Error('every cluster was looked at');
            const { clustersWatched, clustersCovered, clustersWaiting, clustersOverdue } = counts;
            expect(clustersCovered + clustersWaiting + clustersOverdue).toBe(clustersWatched);
          }
        }
        const noted = await breaches.list();
        for (const cluster of names) {
          for (const breach of ['overdue', 'failed', 'lost', 'suspect', 'unclaimed']) {
            const mine = taken.filter(
              ({ attributes }) => attributes.cluster === cluster && attributes.breach === breach,
            );
            // A repeated message is the same one, told again: of one beginning and one phase.
            const once = mine.map(told).filter((now, i, all) => {
              const before = all[i - 1];
              return before === undefined || before.phase !== now.phase || before.since !== now.since;
            });
            expect(once.map(({ phase }) => phase)).toEqual(
              once.map((_, i) => (i % 2 === 0 ? 'began' : 'cleared')),
            );
            // It repeats only after an answer that was lost.
            const repeated = mine.filter((message, i) => {
              const next = mine[i + 1];
              return (
                next && told(next).phase === told(message).phase && told(next).since === told(message).since
              );
            });
            expect(repeated.filter((message) => certain.has(message))).toEqual([]);
            // What the topic has last been told for certain is what is noted.
            const open = noted.find((n) => n.clusterId === cluster && n.kind === breach);
            const last = once.at(-1);
            if (open?.state === 'open') expect(last?.phase).toBe('began');
            if (open === undefined) expect(last?.phase).not.toBe('began');
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});
