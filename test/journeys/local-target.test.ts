import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateRoleCommand, GetRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import {
  CancelCommandCommand,
  DescribeInstanceInformationCommand,
  GetCommandInvocationCommand,
  type GetCommandInvocationCommandOutput,
  GetParameterCommand,
  ListCommandInvocationsCommand,
  PutParameterCommand,
  SendCommandCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { fromHttp } from '@aws-sdk/credential-providers';
import { type Connection, escapeId, type RowDataPacket } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { applicationAccount, dataBytes, loadData } from '../../infra/local/data.ts';
import { oddNames } from '../../infra/local/data-schema.ts';
import type { ServerPlan } from '../../infra/local/database-server.ts';
import { type Emulator, startEmulator } from '../../infra/local/emulator.ts';
import { createHost } from '../../infra/local/host.ts';
import { hostEnvironment, hostIdentity } from '../../infra/local/host-credentials.ts';
import { installServer, type MariadbServer, startServer } from '../../infra/local/mariadb.ts';
import { localPaths, makeLocalDirectories } from '../../infra/local/paths.ts';
import { identify, isAlive, processesOfRoot } from '../../infra/local/process-identity.ts';
import { openRegistry } from '../../infra/local/processes.ts';
import {
  binlogPosition,
  createReplicationAccount,
  follow,
  primaryOptions,
  replicaOptions,
  replicationAccount,
  waitForPosition,
} from '../../infra/local/replication.ts';
import { noFaults } from '../../infra/local/ssm-commands.ts';
import { parseDocument } from '../../infra/local/ssm-document.ts';
import { type SsmEndpoint, startSsmEndpoint } from '../../infra/local/ssm-endpoint.ts';
import { freePort } from '../../infra/local/wait.ts';
import { startWriter } from '../../infra/local/writer.ts';

const paths = localPaths('test-local-target');
rmSync(paths.run, { recursive: true, force: true });
rmSync(paths.emulatorState, { recursive: true, force: true });
makeLocalDirectories(paths);
const registry = openRegistry(paths.pids);

afterAll(async () => {
  await registry.stopAll();
  rmSync(paths.run, { recursive: true, force: true });
});

describe('the registry of started processes', () => {
  const starter = (directory: string, then: string): string => `
    import { spawn } from 'node:child_process';
    import { openRegistry, stopChildrenAtExit } from '${resolve('infra/local/processes.ts')}';
    const registry = openRegistry('${directory}');
    stopChildrenAtExit(registry);
    const root = '${directory}/root-' + process.pid;
    registry.watchRoot('host', root);
    const child = registry.start('sleeper', '/bin/sleep', ['600']);
    // Not in the registry: what a script of this host left behind.
    spawn('/bin/sleep', ['600'], { env: { HOLDFAST_ROOT: root }, detached: true, stdio: 'ignore' });
    process.stdout.write(child.pid + '\\n');
    ${then}`;

  async function startStarter(directory: string, then: string) {
    const starting = spawn(process.execPath, ['--input-type=module', '-e', starter(directory, then)]);
    const [line] = (await new Promise<Buffer>((done) => starting.stdout.once('data', done)))
      .toString()
      .split('\n');
    const exit = new Promise<number | null>((done) => starting.once('exit', done));
    return { starting, exit, child: identify(Number(line)) };
  }

  it.each([
    ['Ctrl-C', 'setInterval(() => {}, 1000);', 'SIGINT', 130],
    ['a crash', 'setTimeout(() => { throw new Error("crash"); }, 100);', undefined, 1],
  ] as const)('leaves nothing running after %s', async (_, then, signal, code) => {
    const directory = mkdtempSync(join(tmpdir(), 'hf-pids-'));
    const { starting, exit, child } = await startStarter(directory, then);
    if (signal) starting.kill(signal);
    expect(await exit).toBe(code);
    expect(child && isAlive(child)).toBe(false);
    expect(processesOfRoot(join(directory, `root-${starting.pid}`))).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
    rmSync(directory, { recursive: true });
  });

  it('stops at the next start what a killed run left, and only that', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'hf-pids-'));
    const killed = await startStarter(directory, 'setInterval(() => {}, 1000);');
    const running = await startStarter(directory, 'setInterval(() => {}, 1000);');
    killed.starting.kill('SIGKILL');
    await killed.exit;
    const rootOf = (starting: ChildProcess) => join(directory, `root-${starting.pid}`);
    expect(killed.child && isAlive(killed.child)).toBe(true);
    expect(processesOfRoot(rootOf(killed.starting))).toHaveLength(1);
    const names = await openRegistry(directory).stopOrphans();
    expect(names.sort()).toEqual(['host', 'sleeper']);
    expect(killed.child && isAlive(killed.child)).toBe(false);
    expect(processesOfRoot(rootOf(killed.starting))).toEqual([]);
    expect(running.child && isAlive(running.child)).toBe(true);
    running.starting.kill('SIGTERM');
    expect(await running.exit).toBe(143);
    expect(processesOfRoot(rootOf(running.starting))).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
    rmSync(directory, { recursive: true });
  });
});

describe.each([false, true])('the emulator and the SSM endpoint, with authorisation %s', (auth) => {
  const hostId = 'mi-0aaaaaaaaaaaaaaa1';
  const root = join(paths.run, `host-${auth}`);
  let emulator: Emulator;
  let endpoint: SsmEndpoint;
  let ssm: SSMClient;
  let roleId: string;
  const marks = join(root, 'marks');

  const launch = parseDocument('Holdfast-Launch', {
    schemaVersion: '2.2',
    parameters: {
      jobId: { type: 'String', allowedPattern: '^[A-Za-z0-9-]{1,64}$', interpolationType: 'ENV_VAR' },
    },
    mainSteps: [
      {
        action: 'aws:runShellScript',
        name: 'run',
        inputs: { runCommand: ['exec "$HOLDFAST_ROOT/bin/launch" "$SSM_jobId"'], timeoutSeconds: '60' },
      },
    ],
  });

  beforeAll(async () => {
    emulator = await startEmulator({
      program: paths.emulator,
      nodeBin: paths.nodeBin,
      stateDir: join(paths.emulatorState, String(auth)),
      registry,
      auth,
    });
    const client = {
      endpoint: emulator.endpoint,
      region: emulator.region,
      credentials: { accessKeyId: emulator.accountId, secretAccessKey: 'local' },
    };
    const trust = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
    };
    const iam = new IAMClient(client);
    const role = { RoleName: 'holdfast-host' };
    await iam.send(new CreateRoleCommand({ ...role, AssumeRolePolicyDocument: JSON.stringify(trust) }));
    const { Role } = await iam.send(new GetRoleCommand(role));
    roleId = Role?.RoleId ?? '';
    endpoint = await startSsmEndpoint({ emulator, registry });
    ssm = new SSMClient({ ...client, endpoint: endpoint.endpoint, maxAttempts: 1 });
    mkdirSync(marks, { recursive: true });
    const identity = hostIdentity(hostId, Role?.Arn ?? '');
    const host = createHost(
      {
        hostId,
        root,
        runnerSettings: { v: 1, region: emulator.region, jobsTable: 'jobs', brokerFunction: 'broker' },
        environment: hostEnvironment(identity, {
          emulator: emulator.endpoint,
          ssm: endpoint.endpoint,
          region: emulator.region,
        }),
        files: [{ from: resolve('test/doubles/launch.sh'), to: 'bin/launch', mode: 0o755 }],
      },
      registry,
    );
    endpoint.addDocuments([launch]);
    endpoint.addHost(host, identity);
  });

  afterEach(() => {
    Object.assign(endpoint.faults, noFaults());
  });

  afterAll(async () => {
    await endpoint.stop();
    const process = identify(emulator.pid);
    await emulator.stop();
    expect(process && isAlive(process)).toBe(false);
  });

  const send = async (jobId: string, changed: object = {}): Promise<string> => {
    const input = { DocumentName: 'Holdfast-Launch', InstanceIds: [hostId], Parameters: { jobId: [jobId] } };
    const { Command } = await ssm.send(new SendCommandCommand({ ...input, ...changed }));
    return Command?.CommandId ?? '';
  };
  const look = (CommandId: string) =>
    ssm.send(new GetCommandInvocationCommand({ CommandId, InstanceId: hostId }));
  const settled = async (commandId: string): Promise<GetCommandInvocationCommandOutput> => {
    for (;;) {
      const seen = await look(commandId);
      if (seen.Status !== 'Pending' && seen.Status !== 'InProgress') return seen;
      await sleep(20);
    }
  };

  it('gives a host credentials whose user id is its role id and its own id', async () => {
    const lines = readFileSync(join(root, 'etc/environment'), 'utf8').trim().split('\n');
    const environment = Object.fromEntries(lines.map((line) => line.split('=', 2) as [string, string]));
    const sts = new STSClient({
      endpoint: environment.AWS_ENDPOINT_URL ?? '',
      region: environment.AWS_REGION ?? '',
      credentials: fromHttp({
        awsContainerCredentialsFullUri: environment.AWS_CONTAINER_CREDENTIALS_FULL_URI ?? '',
        awsContainerAuthorizationToken: environment.AWS_CONTAINER_AUTHORIZATION_TOKEN ?? '',
      }),
    });
    expect((await sts.send(new GetCallerIdentityCommand({}))).UserId).toBe(`${roleId}:${hostId}`);
  });

  it('refuses credentials to whoever does not show the token of that host', async () => {
    const url = `${endpoint.endpoint}/credentials/${hostId}`;
    expect((await fetch(url)).status).toBe(403);
    expect((await fetch(url, { headers: { authorization: 'x'.repeat(48) } })).status).toBe(403);
  });

  it('runs the script of the document with nothing in its environment but what the agent puts there', async () => {
    const end = await settled(await send('job-1'));
    expect(end).toMatchObject({ Status: 'Success', ResponseCode: 0, StandardErrorContent: 'to stderr\n' });
    const seen = (end.StandardOutputContent ?? '').trim().split('\n');
    // sh itself adds PWD, and some shells SHLVL, OLDPWD and _.
    const ours = seen.filter((line) => !/^(PWD|SHLVL|OLDPWD|_)=/.test(line));
    expect(ours).toEqual([
      `AWS_SSM_INSTANCE_ID=${hostId}`,
      'AWS_SSM_REGION_NAME=eu-central-1',
      `HOLDFAST_ROOT=${root}`,
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'SSM_jobId=job-1',
      'argument=job-1',
    ]);
  });

  it('records the exit code of a script that fails', async () => {
    expect(await settled(await send('fail-23'))).toMatchObject({ Status: 'Failed', ResponseCode: 23 });
  });

  it.each([
    ['InvalidParameters', 'a value outside the pattern', { Parameters: { jobId: ['a;b'] } }],
    ['InvalidInstanceId', 'a host it does not know', { InstanceIds: ['mi-0bbbbbbbbbbbbbbb2'] }],
    ['InvalidDocument', 'a document it does not know', { DocumentName: 'Other' }],
  ])('answers %s for %s', async (name, _, changed) => {
    await expect(send('job-2', changed)).rejects.toMatchObject({ name });
    expect(endpoint.commands().map(({ values }) => values.jobId)).not.toContain('job-2');
  });

  it('answers ThrottlingException once when told to', async () => {
    endpoint.faults.throttle = 1;
    await expect(send('throttled')).rejects.toMatchObject({ name: 'ThrottlingException' });
    await expect(settled(await send('throttled'))).resolves.toMatchObject({ Status: 'Success' });
  });

  it('delivers a command twice when told to', async () => {
    endpoint.faults.deliverTwice = 1;
    await settled(await send('mark-twice'));
    for (const until = Date.now() + 5_000; readdirSync(marks).length < 2 && Date.now() < until; )
      await sleep(20);
    expect(readdirSync(marks)).toHaveLength(2);
  });

  it('never runs a lost command, and times it out', async () => {
    Object.assign(endpoint.faults, { lose: 1, deliverySeconds: 0.3 });
    const end = await settled(await send('mark-lost'));
    expect(end).toMatchObject({ Status: 'TimedOut', StatusDetails: 'DeliveryTimedOut', ResponseCode: -1 });
    expect(readdirSync(marks).filter((name) => name.includes('lost'))).toEqual([]);
  });

  it('never runs a command that is delayed beyond its delivery timeout', async () => {
    Object.assign(endpoint.faults, { delayMs: 400, deliverySeconds: 0.2 });
    expect(await settled(await send('mark-late'))).toMatchObject({ StatusDetails: 'DeliveryTimedOut' });
    expect(readdirSync(marks).filter((name) => name.includes('late'))).toEqual([]);
  });

  it('keeps a command for an offline host until it is back', async () => {
    const pingStatus = async () =>
      (await ssm.send(new DescribeInstanceInformationCommand({}))).InstanceInformationList?.[0]?.PingStatus;
    endpoint.setOnline(hostId, false);
    expect(await pingStatus()).toBe('ConnectionLost');
    const commandId = await send('job-3');
    expect((await look(commandId)).Status).toBe('Pending');
    endpoint.setOnline(hostId, true);
    expect(await pingStatus()).toBe('Online');
    expect((await settled(commandId)).Status).toBe('Success');
  });

  it('kills what a cancelled command runs', async () => {
    const commandId = await send('sleep');
    while ((await look(commandId)).Status === 'Pending') await sleep(10);
    await ssm.send(new CancelCommandCommand({ CommandId: commandId }));
    const { CommandInvocations } = await ssm.send(
      new ListCommandInvocationsCommand({ CommandId: commandId }),
    );
    expect(CommandInvocations).toMatchObject([{ InstanceId: hostId, Status: 'Cancelled' }]);
    expect(processesOfRoot(root)).toEqual([]);
  });

  it('passes every other operation on to the emulator', async () => {
    await ssm.send(new PutParameterCommand({ Name: '/holdfast/x', Type: 'String', Value: `a "b" 'c' ü` }));
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name: '/holdfast/x' }));
    expect(Parameter?.Value).toBe(`a "b" 'c' ü`);
    await expect(ssm.send(new GetParameterCommand({ Name: '/none' }))).rejects.toMatchObject({
      name: 'ParameterNotFound',
    });
  });
});

describe('local database servers', () => {
  const plan = async (
    name: string,
    serverId: number,
    options: Readonly<Record<string, string>>,
  ): Promise<ServerPlan> => ({
    name,
    directory: join(paths.run, name),
    socket: join(paths.sockets, `${name}.sock`),
    port: await freePort(),
    serverId,
    options,
    registry,
  });
  let primary: MariadbServer;
  let replica: MariadbServer;
  let connection: Connection;

  beforeAll(async () => {
    const plans = [
      await plan('primary', 1, primaryOptions),
      await plan('replica', 2, replicaOptions),
    ] as const;
    for (const one of plans) installServer(one);
    primary = await startServer(plans[0]);
    replica = await startServer(plans[1]);
    await createReplicationAccount(primary, replicationAccount);
    await follow(replica, primary, replicationAccount);
    connection = await primary.connect();
    await loadData(connection, { bytes: 8e6 });
  });

  afterAll(() => connection?.destroy());

  // Not CHECKSUM TABLE: on 10.11 its answer depends on more than the values where a column is virtual.
  const checksums = async (server: MariadbServer): Promise<unknown> => {
    const asRoot = await server.connect();
    const [columns] = await asRoot.query<RowDataPacket[]>(
      `SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, COLUMN_NAME AS c
       FROM information_schema.COLUMNS JOIN information_schema.TABLES USING (TABLE_SCHEMA, TABLE_NAME)
       WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA IN ('shop', ?) ORDER BY 1, 2, ORDINAL_POSITION`,
      [oddNames.database],
    );
    const tables = Map.groupBy(columns, ({ s, t }) => `${escapeId(s, true)}.${escapeId(t, true)}`);
    const sums: unknown[] = [];
    for (const [table, ofTable] of tables) {
      const values = ofTable.map(({ c }) => `QUOTE(${escapeId(c, true)})`).join(', ');
      const [rows] = await asRoot.query(
        `SELECT COUNT(*) AS n, SUM(CRC32(CONCAT_WS(',', ${values}))) AS sum FROM ${table}`,
      );
      sums.push({ table, rows });
    }
    await asRoot.end();
    return sums;
  };

  it('hold as much data as was asked for', async () => {
    expect(await dataBytes(connection)).toBeGreaterThan(8e6);
  });

  it('replicate everything, with names and passwords that need every kind of quoting (F76)', async () => {
    await waitForPosition(replica, await binlogPosition(primary), 60);
    const sums = await checksums(primary);
    expect(sums).toHaveLength(9);
    expect(await checksums(replica)).toEqual(sums);
    const asRoot = await replica.connect(oddNames.database);
    const [rows] = await asRoot.query<RowDataPacket[]>(`SELECT n FROM ${escapeId(oddNames.view, true)}`);
    expect(rows[0]?.n).toBe(1000);
    await asRoot.end();
  });

  it('keep every commit that the writer saw acknowledged through a crash', async () => {
    const writer = await startWriter({ socketPath: primary.socket, ...applicationAccount }, 500);
    while (writer.report().commits < 50) await sleep(10);
    await primary.kill();
    const report = await writer.ended;
    expect(report.died).toBeInstanceOf(Error);
    expect(report.lastGtid).toMatch(/^0-1-\d+$/);
    primary = await startServer(primary);
    connection = await primary.connect();
    const [rows] = await connection.query<RowDataPacket[]>('SELECT MAX(id) AS id FROM shop.ledger');
    const allowed = [report.lastAcknowledged, report.uncertain];
    expect(allowed).toContain(Number(rows[0]?.id));
  });

  it('stop the writer without an error when asked', async () => {
    const writer = await startWriter({ socketPath: primary.socket, ...applicationAccount }, 50);
    while (writer.report().commits < 5) await sleep(10);
    const report = await writer.stop();
    expect(report.died).toBeUndefined();
    expect(report.uncertain).toBeUndefined();
  });

  it('are gone when they are stopped, and their sockets with them', async () => {
    await primary.stop();
    await replica.stop();
    expect(existsSync(primary.socket)).toBe(false);
    expect(processesOfRoot(paths.run)).toEqual([]);
  });

  it('refuse a socket path that the kernel would cut', () => {
    const socket = join(paths.run, 'x'.repeat(120));
    expect(() => installServer({ ...primary, directory: join(paths.run, 'long'), socket })).toThrow(
      /107 bytes/,
    );
  });
});

describe('the set-up', () => {
  const runSetup = (script: string, args: string[] = []) => {
    const file = join(mkdtempSync(join(tmpdir(), 'hf-setup-')), 'script.ts');
    writeFileSync(file, script);
    return spawn(process.execPath, ['infra/local/setup.mjs', file, ...args]);
  };
  const text = async (stream: NodeJS.ReadableStream): Promise<string> => {
    let all = '';
    for await (const part of stream) all += String(part);
    return all;
  };

  it('runs a script with Node 24, its arguments and its exit code, and says nothing when nothing is missing', async () => {
    const script =
      'const v: string = process.version; console.log(v, JSON.stringify(process.argv.slice(2))); process.exitCode = 7;';
    const child = runSetup(script, ['a b', '$c']);
    const exit = new Promise((done) => child.once('exit', done));
    const [out, said] = await Promise.all([text(child.stdout), text(child.stderr)]);
    expect(out).toMatch(/^v24\.\d+\.\d+ \["a b","\$c"\]\n$/);
    expect(said).toBe('');
    expect(await exit).toBe(7);
  });

  it('passes signals on, so that Ctrl-C reaches the script also through npm', async () => {
    const child = runSetup(
      `process.on('SIGINT', () => process.exit(9)); setInterval(() => {}, 1000); console.log('up');`,
    );
    await new Promise((done) => child.stdout.once('data', done));
    child.kill('SIGINT');
    expect(await new Promise((done) => child.once('exit', done))).toBe(9);
  });
});
