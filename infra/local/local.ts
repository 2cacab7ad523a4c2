import { join } from 'node:path';
import { registerAll, restoreInput } from './backup-story.ts';
import { applicationAccount } from './data.ts';
import { startLocalServers } from './local-servers.ts';
import { narrator } from './narrator.ts';
import { localPaths } from './paths.ts';
import { openRegistry, stopChildrenAtExit } from './processes.ts';
import { localClusterId } from './register-documents.ts';
import { startTarget } from './target.ts';
import { freePort } from './wait.ts';
import { startWriter } from './writer.ts';

const registry = openRegistry(localPaths('local').pids);
await registry.stopOrphans();
stopChildrenAtExit(registry);
const { chapter, say } = narrator();

chapter('Deploy holdfast to the emulator');
const target = await startTarget({ purpose: 'local', registry, say });
chapter('Start a primary, its replica and an empty host; load data; let a writer run');
const servers = await startLocalServers({
  paths: target.paths,
  registry,
  hosts: target.hosts,
  bytes: 50e6,
  say,
});
await startWriter({ socketPath: servers.primary.socket, ...applicationAccount }, 20);
await registerAll(target, servers, say);

const { emulator, names, hosts, paths } = target;
const restoreTo = { directory: join(hosts.empty.root, 'restored'), port: await freePort() };
const json = (value: unknown) => `'${JSON.stringify(value)}'`;
const commands = `
Everything runs until Ctrl-C. In another terminal, with the AWS CLI that the set-up installed:

  export PATH=${paths.project}/.local/venv/bin:$PATH
  ${Object.entries(emulator.environment)
    .map(([key, value]) => `export ${key}=${value}`)
    .join('\n  ')}

A backup by hand:

  aws stepfunctions start-execution --state-machine-arn ${names.machineArn('backup')} \\
    --name "${localClusterId}-now-$(openssl rand -hex 4)-1" --input ${json({ v: 1, clusterId: localClusterId, reason: 'by hand' })}

How it stands, and what it did:

  aws stepfunctions list-executions --state-machine-arn ${names.machineArn('backup')}
  aws stepfunctions get-execution-history --execution-arn ARN --query 'events[].stateEnteredEventDetails.name'
  aws s3 ls --recursive s3://${names.bucket('home')}
  aws dynamodb scan --table-name ${names.catalogTable}

A restore by hand, of the newest verified backup onto the empty host:

  aws stepfunctions start-execution --state-machine-arn ${names.machineArn('restore')} \\
    --input ${json(restoreInput(restoreTo))}

The servers: mariadb --socket ${servers.primary.socket} (primary), ${servers.replica.socket} (replica).
Logs: ${emulator.logFile}; runners: ${Object.values(hosts)
  .map((host) => `${host.root}/log`)
  .join(', ')}.
`;
console.log(commands);
setInterval(() => {}, 3_600_000);
