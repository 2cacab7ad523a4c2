import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { StartExecutionCommand } from '@aws-sdk/client-sfn';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  backUpBySchedule,
  registerAll,
  restoreInput,
  restoreOnEmptyHost,
} from '../../infra/local/backup-story.ts';
import { applicationAccount } from '../../infra/local/data.ts';
import { type ExecutionEnd, followExecution } from '../../infra/local/follow-execution.ts';
import { type LocalServers, startLocalServers } from '../../infra/local/local-servers.ts';
import { localPaths } from '../../infra/local/paths.ts';
import { openRegistry, stopChildrenAtExit } from '../../infra/local/processes.ts';
import { compareServers } from '../../infra/local/proof.ts';
import { invoke, localDocuments } from '../../infra/local/register-documents.ts';
import { type LocalTarget, startTarget } from '../../infra/local/target.ts';
import { freePort } from '../../infra/local/wait.ts';
import { startWriter, type Writer } from '../../infra/local/writer.ts';

const registry = openRegistry(localPaths('journey').pids);
stopChildrenAtExit(registry);
const quiet = () => {};
let target: LocalTarget;
let servers: LocalServers;
let writer: Writer;

beforeAll(async () => {
  await registry.stopOrphans();
  target = await startTarget({ purpose: 'journey', registry, say: quiet });
  servers = await startLocalServers({
    paths: target.paths,
    registry,
    hosts: target.hosts,
    bytes: 20e6,
    say: quiet,
  });
  writer = await startWriter({ socketPath: servers.primary.socket, ...applicationAccount }, 20);
});

afterAll(async () => {
  await writer?.stop();
  await registry.stopAll();
  await target?.stop();
});

/** Starts a machine with an input and waits for its end. */
async function run(machine: 'backup' | 'restore' | 'fleet-backup', input: unknown): Promise<ExecutionEnd> {
  const { clients, names } = target;
  const started = await clients.sfn.send(
    new StartExecutionCommand({ stateMachineArn: names.machineArn(machine), input: JSON.stringify(input) }),
  );
  return followExecution({
    arn: started.executionArn ?? '',
    sfn: clients.sfn,
    tables: clients.tables,
    jobsTable: names.jobsTable,
    timeoutSeconds: 120,
    say: quiet,
  });
}

const register = (document: unknown) =>
  invoke(target.clients.lambda, target.names.function('register'), document);

describe('registering', () => {
  it('takes hosts and cluster after a check on each host, and says unchanged the second time', async () => {
    await registerAll(target, servers, quiet);
    const { cluster, hosts } = localDocuments(servers, target.settings.control);
    expect(await register(cluster)).toMatchObject({ outcome: 'unchanged' });
    expect(await register(hosts[0])).toMatchObject({ outcome: 'unchanged' });
  });

  it('refuses an unknown policy and an unknown host by name, with the value', async () => {
    const { cluster } = localDocuments(servers, target.settings.control);
    const policy = await register({ ...cluster, clusterId: 'other', policy: 'weekly' });
    expect(policy).toMatchObject({ outcome: 'refused', error: { name: 'Policy.Unknown' } });
    expect(JSON.stringify(policy)).toContain('weekly');
    const members = cluster.members.map((member) => ({ ...member, hostId: 'mi-nobody' }));
    const host = await register({ ...cluster, clusterId: 'other', members });
    expect(host).toMatchObject({ outcome: 'refused', error: { name: 'Host.Unknown' } });
    expect(JSON.stringify(host)).toContain('mi-nobody');
  });

  it('refuses a member that the host cannot log in to', async () => {
    const { cluster } = localDocuments(servers, target.settings.control);
    const [member] = cluster.members;
    const wrong = {
      ...cluster,
      clusterId: 'other',
      members: [{ ...member!, socket: '/run/no such "socket";.sock' }],
    };
    expect(await register(wrong)).toMatchObject({ outcome: 'refused' });
  });
});

describe('backing up', () => {
  it('goes from the schedule to a verified backup of the replica while a writer runs', async () => {
    const end = await backUpBySchedule(target, quiet);
    expect({ status: end.status, error: end.error, cause: end.cause }).toEqual({
      status: 'SUCCEEDED',
      error: undefined,
      cause: undefined,
    });
    expect(end.output).toMatchObject({ state: 'verified' });
    const listed = await target.clients.s3.send(
      new ListObjectVersionsCommand({ Bucket: target.names.bucket('home') }),
    );
    const keys = (listed.Versions ?? []).map((version) => version.Key ?? '');
    expect(keys.filter((key) => key.endsWith('/manifest.json'))).toHaveLength(1);
    expect(keys.filter((key) => /^receipts\/shop\/.*-(committed|verified)\.json$/.test(key))).toHaveLength(2);
    expect((await servers.replica.connect().then(slaveRunning)).toString()).toBe('Yes');
  });

  it('does not back the same slot up twice', async () => {
    const end = await run('fleet-backup', { v: 1, policy: 'hourly' });
    expect(end.status).toBe('SUCCEEDED');
  });

  it('refuses an unknown cluster by name', async () => {
    const end = await run('backup', { v: 1, clusterId: 'nobody' });
    expect(end).toMatchObject({ status: 'FAILED', error: 'Cluster.Unknown' });
    expect(end.cause).toContain('nobody');
  });
});

describe('refusing a restore before anything is touched', () => {
  const refused = async (input: unknown, error: string, ...words: string[]) => {
    const end = await run('restore', input);
    expect({ status: end.status, error: end.error }).toEqual({ status: 'FAILED', error });
    for (const word of words) expect(end.cause).toContain(word);
  };
  const good = (directory: string) => restoreInput({ directory, port: 33999 });

  it('of an unknown cluster, backup or host', async () => {
    const directory = join(target.hosts.empty.root, 'never');
    await refused({ ...good(directory), clusterId: 'nobody' }, 'Cluster.Unknown', 'nobody');
    await refused({ ...good(directory), backupId: 'no-such-backup' }, 'Backup.Unknown', 'no-such-backup');
    const elsewhere = { ...good(directory), target: { ...good(directory).target, hostId: 'mi-nobody' } };
    await refused(elsewhere, 'Host.Unknown', 'mi-nobody');
    expect(existsSync(directory)).toBe(false);
  });

  it('into a directory that holds files (F67)', async () => {
    const directory = join(target.hosts.empty.root, 'full');
    mkdirSync(directory);
    writeFileSync(join(directory, 'precious'), 'x');
    await refused(good(directory), 'Restore.DirectoryNotEmpty', directory, 'precious');
    expect(existsSync(join(directory, 'precious'))).toBe(true);
  });

  it('onto a port that is taken', async () => {
    const directory = join(target.hosts.empty.root, 'never');
    await refused(
      restoreInput({ directory, port: servers.replica.port }),
      'Restore.PortTaken',
      String(servers.replica.port),
    );
  });

  it('to a time or of single tables, which this version cannot do', async () => {
    const directory = join(target.hosts.empty.root, 'never');
    await refused({ ...good(directory), tables: ['shop.orders'] }, 'Restore.NotYet');
  });
});

describe('bringing a lost database back', () => {
  it('restores the destroyed primary on the empty host, equal to what was lost at the position of the backup', async () => {
    await servers.primary.kill();
    const lost = await writer.ended;
    rmSync(servers.primary.datadir, { recursive: true });
    const directory = join(target.hosts.empty.root, 'restored');
    const end = await restoreOnEmptyHost(target, { directory, port: await freePort() }, quiet);
    expect({ status: end.status, error: end.error, cause: end.cause }).toEqual({
      status: 'SUCCEEDED',
      error: undefined,
      cause: undefined,
    });
    const restored = end.output as { socket: string; comparison: string; position: { gtid: string } };
    expect(restored.comparison).toBe('exact');
    const source = await servers.replica.connect();
    const other = await createConnection({ socketPath: restored.socket, user: 'root', charset: 'utf8mb4' });
    const comparisons = await compareServers({
      source,
      restored: other,
      writer: lost,
      position: restored.position.gtid,
    });
    const [identity] = await other.query(
      'SELECT @@server_id AS id, @@read_only AS readOnly, @@event_scheduler AS events, @@bind_address AS bound',
    );
    await Promise.all([source.end(), other.end()]);
    expect(comparisons.length).toBeGreaterThan(10);
    expect(comparisons.filter((comparison) => !comparison.equal)).toEqual([]);
    expect(identity).toMatchObject([{ readOnly: 1, events: 'OFF', bound: '127.0.0.1' }]);
  });
});

async function slaveRunning(
  connection: Awaited<ReturnType<LocalServers['replica']['connect']>>,
): Promise<string> {
  const [rows] = await connection.query('SHOW SLAVE STATUS');
  await connection.end();
  return (rows as { Slave_SQL_Running: string }[])[0]?.Slave_SQL_Running ?? '';
}
