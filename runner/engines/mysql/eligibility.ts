import type { Channel } from './channels.ts';
import { toolMisfit } from './versions.ts';

/** What the server said of itself, as far as the decision needs it. */
export type MemberFacts = {
  memberId: string;
  /** `VERSION()`, e.g. `10.11.19-MariaDB-log`. */
  version: string;
  versionComment: string;
  toolVersion: string | null;
  variables: Readonly<Record<string, string>>;
  channels: readonly Channel[];
  dumpThreads: number;
  /** Names of active plugins that encrypt files. */
  encryption: readonly string[];
  /** One line of SHOW GRANTS each. */
  grants: readonly string[];
  datadir: { document: string; server: string };
  maxReplicaLagSeconds: number | undefined;
};

/** MariaDB's own names of what a backup needs, and what else implies it. */
const needed: readonly (readonly string[])[] = [
  ['RELOAD'],
  ['PROCESS'],
  ['SELECT'],
  ['LOCK TABLES'],
  ['BINLOG MONITOR', 'REPLICATION CLIENT', 'SUPER'],
];
const neededOnReplicas: readonly (readonly string[])[] = [
  ['REPLICATION SLAVE ADMIN', 'SUPER'],
  ['REPLICA MONITOR', 'SLAVE MONITOR', 'SUPER'],
];

/** Which of the needed global privileges the grants lack. Roles are not followed: grant them to the account itself. */
export function missingPrivileges(grants: readonly string[], replica: boolean): string[] {
  const held = new Set<string>();
  for (const grant of grants) {
    const match = /^GRANT (.+) ON \*\.\* TO /.exec(grant);
    for (const name of match?.[1]?.split(', ') ?? []) held.add(name);
  }
  if (held.has('ALL PRIVILEGES')) return [];
  return [...needed, ...(replica ? neededOnReplicas : [])]
    .filter((names) => !names.some((name) => held.has(name)))
    .map((names) => names[0]!);
}

/** A replica applies another's log, a primary writes one (or is read by replicas), a standalone server does neither. */
export function roleOf(facts: Pick<MemberFacts, 'channels' | 'dumpThreads' | 'variables'>) {
  if (facts.channels.length > 0) return 'replica' as const;
  if (facts.dumpThreads > 0 || facts.variables.log_bin === 'ON') return 'primary' as const;
  return 'standalone' as const;
}

/** The largest lag of all channels; null where there are none or one cannot say. */
export function lagOf(channels: readonly Channel[]): number | null {
  if (channels.length === 0 || channels.some((c) => c.lagSeconds === null)) return null;
  return Math.max(...channels.map((c) => c.lagSeconds ?? 0));
}

function channelReasons(channel: Channel, maxLag: number | undefined): string[] {
  const name = channel.name === '' ? 'replication' : `replication channel '${channel.name}'`;
  const reasons: string[] = [];
  if (!channel.receiving || !channel.applying) {
    const stopped = [channel.receiving ? '' : 'receiver', channel.applying ? '' : 'applier'].filter(Boolean);
    reasons.push(`${name} is not running (${stopped.join(' and ')})${channel.error && `: ${channel.error}`}`);
  } else if (maxLag !== undefined && (channel.lagSeconds === null || channel.lagSeconds > maxLag)) {
    reasons.push(
      `${name} is ${channel.lagSeconds ?? 'an unknown number of'} s behind, the policy allows ${maxLag} s`,
    );
  }
  if (channel.delaySeconds > 0) reasons.push(`${name} is delayed by ${channel.delaySeconds} s on purpose`);
  if (channel.filters.length > 0) {
    reasons.push(
      `${name} has filters, so this member does not hold everything: ${channel.filters.join(', ')}`,
    );
  }
  return reasons;
}

/** Why this member must not be backed up (F17, F19, M20); empty when it may. */
export function ineligibility(facts: MemberFacts): string[] {
  const { variables } = facts;
  const reasons: string[] = [];
  if (!facts.version.includes('MariaDB')) {
    reasons.push(
      `the server is ${facts.version} (${facts.versionComment}); this version of holdfast backs up MariaDB only`,
    );
    return reasons;
  }
  const misfit = toolMisfit(facts.version, facts.toolVersion);
  if (misfit !== undefined) reasons.push(misfit);
  reasons.push(...facts.channels.flatMap((c) => channelReasons(c, facts.maxReplicaLagSeconds)));
  if (variables.wsrep_on === 'ON') {
    reasons.push(
      'the server is a Galera node (wsrep_on=ON), which this version of holdfast does not back up',
    );
  }
  if ((variables.binlog_storage_engine ?? '') !== '') {
    reasons.push(`binlog_storage_engine=${variables.binlog_storage_engine} has no file positions`);
  }
  if (variables.innodb_log_archive === 'ON') {
    reasons.push('innodb_log_archive=ON: mariadb-backup cannot run while redo is archived');
  }
  if (facts.encryption.length > 0) {
    reasons.push(
      `files may be encrypted (${facts.encryption.join(', ')}), and this version of holdfast cannot give a restore their keys`,
    );
  }
  if (facts.datadir.document !== facts.datadir.server) {
    reasons.push(
      `datadir is ${facts.datadir.server} on the server, the document says ${facts.datadir.document}`,
    );
  }
  const missing = missingPrivileges(facts.grants, facts.channels.length > 0);
  if (missing.length > 0) reasons.push(`the account lacks ${missing.join(', ')} ON *.*`);
  return reasons;
}
