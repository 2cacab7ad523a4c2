import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import { GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { type AgentOrders, type AgentReport, agentKey } from '../../contract/records/agent.ts';
import { type JobRow, jobKey, type Order, protocolVersion } from '../../contract/records/job.ts';
import { accountClients } from '../../infra/local/account-clients.ts';
import { type Emulator, startEmulator } from '../../infra/local/emulator.ts';
import { assumeHostRole, hostIdentity, rootStsClient } from '../../infra/local/host-credentials.ts';
import type { LocalPaths } from '../../infra/local/paths.ts';
import type { ProcessRegistry } from '../../infra/local/processes.ts';
import { bundleRunner } from '../../runner/bundle.ts';
import { systemPath } from '../../runner/host/find-command.ts';
import type { Cost } from './launcher.ts';
import type { ToolOrder } from './mariadb-backup.ts';
import { measure, program } from './processes.ts';

export const benchHost = 'mi-bench';

/** A job that was run: what it cost without its tool's double, and its row at the end. */
export type JobRun = Cost & { row: JobRow };

export type MeasuredHost = {
  directory: string;
  /**
   * Runs one job in the bundled runner, with its rows in the emulator. With `tool` the runner finds the double in place of mariadb-backup, whose own cost is taken off.
   */
  run: (
    order: Order,
    given: { store: string; tool?: Omit<ToolOrder, 'real' | 'usage'>; endsWith?: number },
  ) => Promise<JobRun>;
  /** Starts the bundled runner's agent with these orders; `report` is what it last said. */
  startAgent: (
    orders: AgentOrders,
    given: { store: string },
  ) => Promise<{ pid: number; report: () => Promise<AgentReport | undefined>; stop: () => Promise<void> }>;
};

const table = 'jobs';
const project = join(import.meta.dirname, '../..');

/** Lays out a host as an installation leaves it, with credentials of a role of the emulator. */
export async function makeMeasuredHost(paths: LocalPaths, registry: ProcessRegistry): Promise<MeasuredHost> {
  rmSync(paths.emulatorState, { recursive: true, force: true });
  const emulator = await startEmulator({
    program: paths.emulator,
    nodeBin: paths.nodeBin,
    stateDir: paths.emulatorState,
    registry,
  });
  const root = mkdtempSync(join(paths.run, 'host-'));
  chmodSync(root, 0o711);
  for (const folder of ['bin', 'lib', 'etc', 'work']) mkdirSync(join(root, folder), { mode: 0o700 });
  mkdirSync(join(root, 'double'));
  symlinkSync(process.execPath, join(root, 'bin/node'));
  await bundleRunner(join(root, 'lib/runner.mjs'));
  const { env, userid } = await identityOf(emulator);
  const { tables } = accountClients(emulator);
  const { flags, environment } = launched();
  let jobs = 0;

  const useTool = (order: ToolOrder | undefined) => {
    const settings = {
      v: 1,
      region: emulator.region,
      jobsTable: table,
      brokerFunction: 'broker',
      workDir: join(root, 'work'),
      ...(order ? { path: [join(root, 'double'), ...systemPath.split(':')] } : {}),
    };
    writeFileSync(join(root, 'etc/runner.json'), JSON.stringify(settings));
    if (order === undefined) return;
    const [file] = program('mariadb-backup');
    // Only a backup is the double's; a prepare runs as the database's account, which may not get to this Node.
    const script = `#!/bin/sh
case " $* " in
  *' --backup '*) exec '${process.execPath}' '${file}' '${JSON.stringify(order)}' "$@" ;;
  *' --prepare '*) date +%s.%N >'${order.prepared}'; exit 1 ;;
esac
exec '${order.real}' "$@"
`;
    writeFileSync(join(root, 'double/mariadb-backup'), script, { mode: 0o755 });
  };

  return {
    directory: root,
    run: async (order, { store, tool, endsWith }) => {
      jobs += 1;
      const jobId = `j-${jobs}`;
      const usage = join(root, 'usage');
      writeFileSync(usage, '');
      useTool(tool && { ...tool, real: '/usr/bin/mariadb-backup', usage });
      await tables.send(new PutCommand({ TableName: table, Item: queuedRow(userid, jobId, order) }));
      const cost = await measure(
        registry,
        {
          saysOnStdout: true,
          ...(endsWith === undefined ? {} : { endsWith }),
          command: [join(root, 'bin/node'), ...flags, join(root, 'lib/runner.mjs'), 'run', jobId],
          env: {
            ...env,
            AWS_ENDPOINT_URL_S3: store,
            AWS_ENDPOINT_URL_LAMBDA: store,
            HOLDFAST_ROOT: root,
            NODE_COMPILE_CACHE: join(root, 'cache'),
            ...environment,
          },
        },
        root,
      );
      const found = await tables.send(new GetCommand({ TableName: table, Key: jobKey(userid, jobId) }));
      const ofTool = readFileSync(usage, 'utf8')
        .split('\n')
        .reduce((sum, line) => sum + Number(line), 0);
      return { ...cost, cpuSeconds: cost.cpuSeconds - ofTool, row: found.Item as JobRow };
    },
    startAgent: async (orders, { store }) => {
      useTool(undefined);
      const key = agentKey(userid);
      const row = { v: 1, ...key, hostId: benchHost, orders };
      await tables.send(new PutCommand({ TableName: table, Item: row }));
      const child = registry.start(
        'agent',
        join(root, 'bin/node'),
        [...flags, join(root, 'lib/runner.mjs'), 'agent'],
        {
          stdio: ['ignore', 'inherit', 'inherit'],
          env: {
            PATH: systemPath,
            ...env,
            AWS_ENDPOINT_URL_S3: store,
            HOLDFAST_ROOT: root,
            NODE_COMPILE_CACHE: join(root, 'cache'),
            ...environment,
          },
        },
      );
      return {
        pid: child.pid ?? 0,
        report: async () => {
          const { Item } = await tables.send(
            new GetCommand({ TableName: table, Key: key, ConsistentRead: true }),
          );
          return Item?.report as AgentReport | undefined;
        },
        stop: () => registry.stop(child.pid ?? 0),
      };
    },
  };
}

/** What the launcher gives the runner besides its places, read from the launcher itself. */
function launched() {
  const launcher = readFileSync(join(project, 'runner/host/launch/holdfast-launch'), 'utf8');
  const flags = /setsid "\$1" (--[^"]+) "\$2" run/.exec(launcher)?.[1]?.trim().split(' ');
  const exported = [...launcher.matchAll(/^export (MALLOC_\w+)=(\d+)$/gm)].map(([, name, value]) => [
    name,
    value,
  ]);
  if (flags === undefined || exported.length === 0) {
    throw new Error('the launcher starts the runner in another way than the bench looks for');
  }
  return { flags, environment: Object.fromEntries(exported) as Record<string, string> };
}

async function identityOf(emulator: Emulator) {
  const config = {
    endpoint: emulator.endpoint,
    region: emulator.region,
    credentials: { accessKeyId: emulator.accountId, secretAccessKey: 'local' },
  };
  const key = (name: string, type: 'HASH' | 'RANGE') => ({ AttributeName: name, KeyType: type });
  await new DynamoDBClient(config).send(
    new CreateTableCommand({
      TableName: table,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: ['pk', 'sk'].map((name) => ({ AttributeName: name, AttributeType: 'S' })),
      KeySchema: [key('pk', 'HASH'), key('sk', 'RANGE')],
    }),
  );
  const { Role } = await new IAMClient(config).send(
    new CreateRoleCommand({
      RoleName: 'host',
      AssumeRolePolicyDocument: '{"Version":"2012-10-17","Statement":[]}',
    }),
  );
  const role = await assumeHostRole(rootStsClient(emulator), hostIdentity(benchHost, Role?.Arn ?? ''));
  return {
    userid: `${Role?.RoleId}:${benchHost}`,
    env: {
      AWS_ENDPOINT_URL: emulator.endpoint,
      AWS_REGION: emulator.region,
      AWS_ACCESS_KEY_ID: role.AccessKeyId,
      AWS_SECRET_ACCESS_KEY: role.SecretAccessKey,
      AWS_SESSION_TOKEN: role.Token,
    },
  };
}

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

/** A queued row as dispatch writes it; no state waits for it, so it has no token. */
const queuedRow = (userid: string, jobId: string, order: Order): JobRow => ({
  v: protocolVersion,
  ...jobKey(userid, jobId),
  jobId,
  hostId: benchHost,
  clusterId: 'bench',
  execution: 'arn:aws:states:eu-central-1:111122223333:execution:bench:bench',
  lock: 'cluster:bench',
  state: 'queued',
  order,
  createdAt: new Date().toISOString(),
  claimBy: inAnHour(),
  deadline: inAnHour(),
  live: 'yes',
  ttl: 2_000_000_000,
});
