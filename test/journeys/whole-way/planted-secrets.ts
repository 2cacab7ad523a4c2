import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { GetFunctionConfigurationCommand, UpdateFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { DescribeExecutionCommand, StartExecutionCommand } from '@aws-sdk/client-sfn';
import {
  DeleteParameterCommand,
  PutParameterCommand,
  SendCommandCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { DeleteCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { invoke } from '../../../infra/local/register-documents.ts';
import type { Secret } from '../../../infra/local/scan/find-secrets.ts';
import type { LocalTarget } from '../../../infra/local/target.ts';
import { waitUntil } from './wait-until.ts';

/** Fits a job id, so that it can be planted in a command as well. */
export const canary: Secret = { name: 'password of a database account', value: 'canary-5b1d0a77c3e9' };

/** Leaves the canary in each kind of place that is searched. Returns what takes it away where others would meet it. */
export async function plantEverywhere(target: LocalTarget): Promise<() => Promise<void>> {
  const { clients, names, hosts, emulator, ssm } = target;
  const { value } = canary;
  const { root } = hosts.empty;
  const config = {
    region: emulator.region,
    credentials: { accessKeyId: emulator.accountId, secretAccessKey: 'local' },
  };

  const script = 'setTimeout(() => {}, 200)';
  const child = spawn(process.execPath, ['-e', script, value], { env: { PLANTED: value }, stdio: 'ignore' });
  await once(child, 'exit');

  const log = join(root, 'log/planted.log');
  const file = join(root, 'var/planted');
  writeFileSync(log, `${value}\n`);
  writeFileSync(file, value);
  appendFileSync(emulator.logFile, `${value}\n`);

  const key = `planted/backups/b/log/${Date.now()}.zst`;
  await clients.s3.send(
    new PutObjectCommand({
      Bucket: names.bucket('home'),
      Key: key,
      Body: zstdCompressSync(Buffer.from(value)),
      Metadata: { planted: value },
    }),
  );

  // A cluster of this name does not exist: admit says so in its log, and the execution in its input and history.
  const { executionArn } = await clients.sfn.send(
    new StartExecutionCommand({
      stateMachineArn: names.machineArn('backup'),
      input: JSON.stringify({ v: 1, clusterId: value }),
    }),
  );
  await waitUntil('the end of the execution', async () => {
    const { status } = await clients.sfn.send(new DescribeExecutionCommand({ executionArn }));
    return status !== 'RUNNING';
  });
  await invoke(clients.lambda, names.function('cancel'), { execution: value, since: value }).catch(() => {});

  const row = { pk: 'planted', sk: 'planted' };
  await clients.tables.send(new PutCommand({ TableName: names.catalogTable, Item: { ...row, value } }));

  const parameters = new SSMClient({ ...config, endpoint: emulator.endpoint });
  const Name = '/planted';
  await parameters.send(new PutParameterCommand({ Name, Value: value, Type: 'String' }));
  const commands = new SSMClient({ ...config, endpoint: ssm.endpoint });
  await commands.send(
    new SendCommandCommand({
      DocumentName: names.document,
      InstanceIds: [hosts.empty.hostId],
      Parameters: { JobId: [value] },
    }),
  );
  const jobLog = join(root, 'log', `${value}.log`);
  await waitUntil('the runner without a job', async () => {
    try {
      return readFileSync(jobLog, 'utf8').includes('nothing to do');
    } catch {
      return false;
    }
  });

  const FunctionName = names.function('rebuild');
  const { Environment } = await clients.lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
  const variables = (Variables: Record<string, string>) =>
    clients.lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables } }));
  await variables({ ...Environment?.Variables, PLANTED: value });

  return async () => {
    await variables({ ...Environment?.Variables });
    await clients.tables.send(new DeleteCommand({ TableName: names.catalogTable, Key: row }));
    await parameters.send(new DeleteParameterCommand({ Name }));
    for (const path of [log, file, jobLog]) rmSync(path, { force: true });
  };
}
