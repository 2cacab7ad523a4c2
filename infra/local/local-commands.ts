import { join } from 'node:path';
import { restoreInput } from './backup-story.ts';
import type { LocalServers } from './local-servers.ts';
import { localClusterId } from './register-documents.ts';
import type { LocalTarget } from './target.ts';

/** One word to a shell, whatever is in it. */
const word = (text: string) =>
  /^[A-Za-z0-9_./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
const json = (value: unknown) => word(JSON.stringify(value));

/** What `npm run local` prints: how to back up and restore by hand with the AWS CLI, and how to look. Run by a test. */
export function localCommands(
  { emulator, names, hosts, paths }: Pick<LocalTarget, 'emulator' | 'names' | 'hosts' | 'paths'>,
  servers: LocalServers,
  restoreTo: { directory: string; port: number },
): string {
  const backup = { v: 1, clusterId: localClusterId, reason: 'by hand' };
  const exports = Object.entries(emulator.environment).map(([key, value]) => `export ${key}=${word(value)}`);
  const logs = Object.values(hosts).map((host) => join(host.root, 'log'));
  return `
Everything runs until Ctrl-C. In another terminal, with the AWS CLI that the set-up installed:

  export PATH=${word(join(paths.project, '.local/venv/bin'))}:$PATH
  ${exports.join('\n  ')}

A backup by hand:

  aws stepfunctions start-execution --state-machine-arn ${names.machineArn('backup')} \\
    --name "${localClusterId}-now-$(date +%s)-1" --input ${json(backup)}

How it stands, and what it did:

  aws stepfunctions list-executions --state-machine-arn ${names.machineArn('backup')}
  aws stepfunctions get-execution-history --execution-arn ARN --query 'events[].stateEnteredEventDetails.name'
  aws s3 ls --recursive s3://${names.bucket('home')}
  aws dynamodb scan --table-name ${names.catalogTable}

A restore by hand, of the newest verified backup onto the empty host:

  aws stepfunctions start-execution --state-machine-arn ${names.machineArn('restore')} \\
    --input ${json(restoreInput(restoreTo))}

On to a point in the archived log, and single tables: docs/restore.md has the input of each.

The servers: mariadb --socket ${word(servers.primary.socket)} (primary), ${word(servers.replica.socket)} (replica).
Logs: ${emulator.logFile}; runners: ${logs.join(', ')}.
`;
}
