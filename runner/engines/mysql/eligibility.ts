import type { Channel } from './channels.ts';
import { toolMisfit, xtrabackupMisfit } from './versions.ts';

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
  /** What the cluster's document says that its servers are. */
  flavour?: string;
  /** State of a member of Group Replication; empty where the server is none. */
  groupState?: string;
  /** `Innodb_redo_log_enabled` of MySQL. */
  redoEnabled?: string;
};

type Needed = readonly (readonly string[])[];

/** MariaDB's own names of what a backup needs, and what else implies it. */
const needed: Needed = [
  ['RELOAD'],
  ['PROCESS'],
  ['SELECT'],
  ['LOCK TABLES'],
  ['BINLOG MONITOR', 'REPLICATION CLIENT', 'SUPER'],
];
const neededOnReplicas: Needed = [
  ['REPLICATION SLAVE ADMIN', 'SUPER'],
  ['REPLICA MONITOR', 'SLAVE MONITOR', 'SUPER'],
];

/** MySQL's; triggers and events are shown to those only who may have them. */
const neededOfMysql: Needed = [
  ['BACKUP_ADMIN'],
  ['RELOAD'],
  ['PROCESS'],
  ['SELECT'],
  ['LOCK TABLES'],
  ['REPLICATION CLIENT'],
  ['SHOW VIEW'],
  ['EVENT'],
  ['TRIGGER'],
];
const neededOnMysqlReplicas: Needed = [['REPLICATION_SLAVE_ADMIN', 'SUPER']];

/** Which of the needed global privileges the grants lack. Roles are not followed: grant them to the account itself. */
export function missingPrivileges(
  grants: readonly string[],
  replica: boolean,
  family: 'mariadb' | 'mysql' = 'mariadb',
): string[] {
  const held = new Set<string>();
  for (const grant of grants) {
    const match = /^GRANT (.+) ON \*\.\* TO /.exec(grant);
    for (const name of match?.[1]?.split(/, ?/) ?? []) held.add(name);
  }
  if (held.has('ALL PRIVILEGES')) return [];
  const [always, onReplicas] =
    family === 'mysql' ? [neededOfMysql, neededOnMysqlReplicas] : [needed, neededOnReplicas];
  return [...always, ...(replica ? onReplicas : [])]
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

/** What the server is, in the words of a cluster's document. */
export function flavourOf({ version, versionComment }: Pick<MemberFacts, 'version' | 'versionComment'>) {
  if (version.includes('MariaDB')) return 'mariadb' as const;
  return /percona/i.test(versionComment) ? ('percona' as const) : ('mysql' as const);
}

function mariadbReasons({ version, toolVersion, variables }: MemberFacts): string[] {
  const reasons: string[] = [];
  const misfit = toolMisfit(version, toolVersion);
  if (misfit !== undefined) reasons.push(misfit);
  if ((variables.binlog_storage_engine ?? '') !== '') {
    reasons.push(`binlog_storage_engine=${variables.binlog_storage_engine} has no file positions`);
  }
  if (variables.innodb_log_archive === 'ON') {
    reasons.push('innodb_log_archive=ON: mariadb-backup cannot run while redo is archived');
  }
  return reasons;
}

function mysqlReasons(facts: MemberFacts): string[] {
  const { version, toolVersion, variables, groupState = '', redoEnabled } = facts;
  const reasons: string[] = [];
  const misfit = xtrabackupMisfit(version, toolVersion);
  if (misfit !== undefined) reasons.push(misfit);
  if (groupState !== '' && groupState !== 'OFFLINE') {
    reasons.push(
      `the server is a member of Group Replication (${groupState}), which this version of holdfast does not back up; name a replica outside of the group`,
    );
  }
  if (variables.performance_schema === 'OFF') {
    reasons.push('performance_schema=OFF: XtraBackup reads the position of the log there');
  }
  if (redoEnabled === 'OFF') {
    reasons.push('redo logging is off (ALTER INSTANCE DISABLE INNODB REDO_LOG): nothing can be copied');
  }
  if (variables.rocksdb_datadir !== undefined) {
    reasons.push('the server keeps tables in MyRocks, which this version of holdfast does not back up');
  }
  return reasons;
}

/** Of the reasons the one that speaks against a copy of the files only: the tool that makes it. */
export const physicalOnly = ({
  version,
  toolVersion,
}: Pick<MemberFacts, 'version' | 'toolVersion'>): string[] => {
  const misfit = version.includes('MariaDB')
    ? toolMisfit(version, toolVersion)
    : xtrabackupMisfit(version, toolVersion);
  return misfit === undefined ? [] : [misfit];
};

/** Why this member must not be backed up (F17, F19, M20); empty when it may. */
export function ineligibility(facts: MemberFacts): string[] {
  const { variables, flavour } = facts;
  const found = flavourOf(facts);
  const reasons: string[] = [];
  if (flavour !== undefined && flavour !== found) {
    reasons.push(
      `the cluster's document says ${flavour}, the server is ${facts.version} (${facts.versionComment}): ${found}`,
    );
  }
  reasons.push(...(found === 'mariadb' ? mariadbReasons(facts) : mysqlReasons(facts)));
  reasons.push(...facts.channels.flatMap((c) => channelReasons(c, facts.maxReplicaLagSeconds)));
  if (variables.wsrep_on === 'ON') {
    reasons.push(
      'the server is a Galera node (wsrep_on=ON), which this version of holdfast does not back up',
    );
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
  const family = found === 'mariadb' ? 'mariadb' : 'mysql';
  const missing = missingPrivileges(facts.grants, facts.channels.length > 0, family);
  if (missing.length > 0) reasons.push(`the account lacks ${missing.join(', ')} ON *.*`);
  return reasons;
}
