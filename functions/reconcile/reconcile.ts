import { z } from 'zod';
import { NamedError, toErrorRecord } from '../../contract/errors/named-error.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Executions } from '../clients/executions.ts';
import type { Folders } from '../clients/folders.ts';
import type { PutMetrics } from '../clients/metrics.ts';
import type { ObjectsOf } from '../clients/objects.ts';
import type { GetPolicy } from '../clients/policies.ts';
import type { Tasks } from '../clients/tasks.ts';
import type { Publish } from '../clients/topic.ts';
import type { VersionsOf } from '../clients/versions.ts';
import { reconcileCoverage } from '../coverage/reconcile-coverage.ts';
import type { MetricCounts } from '../env/metric-names.ts';
import type { Sites } from '../env/variables.ts';
import { makeLambda } from '../log/lambda.ts';
import type { Log } from '../log/log.ts';
import { reconcileLogs } from '../logs/reconcile-logs.ts';
import { reconcileClosedExecutions } from './closed-executions.ts';
import { clustersOfPass } from './clusters-of-pass.ts';
import { looksOfPass } from './looks.ts';
import { reconcileLostJobs } from './lost-jobs.ts';
import { countsOf } from './metrics.ts';
import { reconcileRetries } from './retries.ts';
import { reconcileStrays } from './strays.ts';
import { reconcileForeignNames } from './unclaimed.ts';
import { reconcileUnrecordedManifests } from './unrecorded-manifests.ts';

export type ReconcileDeps = Catalog & {
  executions: Executions;
  tasks: Tasks;
  objectsOf: ObjectsOf;
  folders: Folders;
  versionsOf: VersionsOf;
  getPolicy: GetPolicy;
  putMetrics: PutMetrics;
  publish: Publish;
  sites: Sites;
  backupMachineArn: string;
  installation: string;
  now: () => Date;
};

export type ReconcileAnswer = { outcome: 'reconciled'; counts: MetricCounts; unclaimed: string[] };

/** What an answer shows of what nobody ordered, manifests first; the counts say how many there are. */
const unclaimedShown = 20;

/**
 * One pass: lost jobs, what closed executions hold, manifests without a record, archived logs, retries, what ended attempts left in
 * the store, coverage, and the counts of all. In this order, since each may make room for the next. A duty that fails
 * does not keep the others from being done; the pass fails at its end, so that its alarm hears of it.
 */
export const makeHandler = (given: ReconcileDeps) =>
  makeLambda({
    name: 'reconcile',
    event: z.unknown(),
    onInvalid: 'throw',
    handle: async (_, log): Promise<ReconcileAnswer> => {
      const deps = { ...given, executions: looksOfPass(given.executions, given.backupMachineArn) };
      const failed: string[] = [];
      const duty = async <T>(name: string, work: (log: Log) => Promise<T>): Promise<T | undefined> => {
        try {
          return await work(log);
        } catch (thrown) {
          const error = toErrorRecord(thrown);
          log.error('a duty failed', { duty: name, error });
          failed.push(`${name}: ${error.name}: ${error.cause}`);
          return undefined;
        }
      };
      const at = deps.now();
      const lostJobs = await duty('lost jobs', () => reconcileLostJobs({ ...deps, log }));
      const closedExecutions = await duty('closed executions', () =>
        reconcileClosedExecutions({ ...deps, log }),
      );
      const clusters = await duty('clusters', () => deps.clusters.list());
      const share = clustersOfPass(clusters ?? [], at);
      const unrecorded = await duty('unrecorded manifests', () =>
        reconcileUnrecordedManifests({ ...deps, log }, share),
      );
      // Before the retries, which start what a broken archive orders.
      const logs = await duty('logs', () => reconcileLogs({ ...deps, log }, clusters ?? []));
      const retries = await duty('retries', () => reconcileRetries({ ...deps, log }, share));
      const foreign = await duty('foreign names', async () =>
        clusters ? reconcileForeignNames({ ...deps, log }, clusters) : { names: [], failed: 0 },
      );
      const strays = await duty('strays', () => reconcileStrays({ ...deps, log }, share));
      const unclaimed = unrecorded && {
        unclaimed: [...unrecorded.unclaimed, ...unrecorded.others],
        failed: unrecorded.failed,
      };
      const coverage =
        clusters &&
        (await duty('coverage', () => reconcileCoverage({ ...deps, log }, { clusters, share, unclaimed })));
      const counts = countsOf({
        clusters: clusters?.length,
        lostJobs,
        closedExecutions,
        unrecorded,
        retries,
        strays,
        foreign,
        coverage,
        logs,
      });
      await duty('metrics', () => deps.putMetrics(counts, at));
      if (failed.length > 0) {
        throw new NamedError('Reconcile.Incomplete', failed.join('; ').slice(0, 4000), {
          duties: failed.length,
        });
      }
      return {
        outcome: 'reconciled',
        counts,
        unclaimed: [
          ...(unrecorded?.unclaimed ?? []),
          ...(foreign?.names ?? []),
          ...(unrecorded?.others ?? []),
        ].slice(0, unclaimedShown),
      };
    },
  });
