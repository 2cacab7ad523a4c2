import { NamedError } from '../../contract/errors/named-error.ts';
import { canonicalJson } from '../../contract/formats/codec.ts';
import { registryKey } from '../../contract/layout.ts';
import {
  type ClusterDocument,
  type ClusterRecord,
  clusterDocumentSchema,
} from '../../contract/records/cluster.ts';
import type { HostRecord } from '../../contract/records/host.ts';
import type { Policy } from '../../contract/records/policy.ts';
import type { Mint } from '../backup/mint.ts';
import { forOlderRunners } from '../backup/older-runners.ts';
import type { Clusters } from '../catalog/cluster.ts';
import type { Hosts } from '../catalog/host.ts';
import type { ObjectsOf } from '../clients/objects.ts';
import type { GetPolicy } from '../clients/policies.ts';
import type { Sites } from '../env/variables.ts';
import { describeIssues, refused } from '../log/lambda.ts';
import type { CheckHosts, CheckOutcome } from './check-hosts.ts';
import { judgeChecks, judgeDocument, needsCheck, notesOn } from './judge-cluster.ts';
import type { RegisterAnswer } from './register.ts';

export type RegisterClusterDeps = {
  clusters: Pick<Clusters, 'get' | 'list' | 'put'>;
  hosts: Pick<Hosts, 'get'>;
  getPolicy: GetPolicy;
  checkHosts: CheckHosts;
  sites: Sites;
  objectsOf: ObjectsOf;
  mint: Pick<Mint, 'jobId'>;
  now: () => Date;
};

/** Registers, changes, pauses or retires a cluster; each member's host looks at it before it counts. */
export function makeRegisterCluster(deps: RegisterClusterDeps) {
  const publish = async (record: ClusterRecord): Promise<void> => {
    const { clusterId, homeSite } = record.document;
    const site = deps.sites[homeSite];
    if (site === undefined) return;
    await deps
      .objectsOf(site)
      .putOnce(registryKey('cluster', clusterId, record.registeredAt), canonicalJson(record));
  };

  async function hostsOf(document: ClusterDocument): Promise<Map<string, HostRecord>> {
    const names = [...new Set(document.members.map((member) => member.hostId))];
    const records = await Promise.all(names.map((name) => deps.hosts.get(name)));
    return new Map(records.flatMap((host) => (host ? [[host.document.hostId, host]] : [])));
  }

  const checkMembers = (
    document: ClusterDocument,
    hosts: ReadonlyMap<string, HostRecord>,
    policy: Policy,
    execution: string,
  ): Promise<CheckOutcome[]> =>
    deps.checkHosts(
      document.members.map((member) => ({
        host: hosts.get(member.hostId)!,
        jobId: deps.mint.jobId(),
        memberId: member.memberId,
        order: {
          kind: 'check',
          engine: document.engine,
          flavour: document.flavour,
          member,
          policy: forOlderRunners(policy),
        },
      })),
      execution,
    );

  return async (input: unknown, execution: string): Promise<RegisterAnswer> => {
    const read = clusterDocumentSchema.safeParse(input);
    if (!read.success) return refused('Input.Invalid', describeIssues(read.error, input));
    const document = read.data;
    const { clusterId } = document;
    const known = await deps.clusters.get(clusterId);
    if (known?.state === 'registered' && canonicalJson(known.document) === canonicalJson(document)) {
      await publish(known);
      return { outcome: 'unchanged', kind: 'cluster', id: clusterId };
    }
    const [policy, hosts, others] = await Promise.all([
      deps.getPolicy(document.policy),
      hostsOf(document),
      deps.clusters.list(),
    ]);
    const wrong = judgeDocument(document, { sites: Object.keys(deps.sites), policy, hosts, others });
    if (policy === undefined || wrong.length > 0) return refused('Register.Refused', wrong.join('; '));
    const checking: ClusterRecord = {
      v: 1,
      document,
      state: 'checking',
      registeredAt: deps.now().toISOString(),
    };
    // A registered cluster stays as it was, and protected, until the changed document has been checked.
    const replaces = known?.state === 'registered' ? known : checking;
    if (replaces === checking && !(await deps.clusters.put(checking, known)))
      throw changedMeanwhile(clusterId);
    const checks = needsCheck(document, known) ? await checkMembers(document, hosts, policy, execution) : [];
    const failed = judgeChecks(checks);
    if (failed.length > 0) return { ...refused('Register.Refused', failed.join('; ')), checks };
    const record: ClusterRecord = {
      ...checking,
      state: 'registered',
      registeredAt: deps.now().toISOString(),
      ...(known?.ordered === undefined ? {} : { ordered: known.ordered }),
    };
    if (!(await deps.clusters.put(record, replaces))) throw changedMeanwhile(clusterId);
    await publish(record);
    return {
      outcome: 'registered',
      kind: 'cluster',
      id: clusterId,
      checks,
      notes: notesOn(document, policy, checks),
    };
  };
}

const changedMeanwhile = (clusterId: string) =>
  new NamedError(
    'Register.Refused',
    `clusterId: ${clusterId} was changed by another registration meanwhile; try again`,
  );
