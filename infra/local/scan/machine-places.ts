import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { workRoot } from '../../../runner/host/files.ts';
import type { LocalTarget } from '../target.ts';
import type { Kind, Place } from './find-secrets.ts';

const file = (kind: Kind, where: string): Place => ({ kind, where, text: readFileSync(where, 'utf8') });

/** Below a host's root: what a server keeps for itself, and programs, say nothing about secrets of ours. */
const notSearched = new Set(['mariadb', 'cache', 'bin', 'lib']);

/** Every file of a host but those of its database servers, which hold their own accounts. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      const isServer = existsSync(join(path, 'data')) || existsSync(join(path, 'ibdata1'));
      return isServer || notSearched.has(entry.name) ? [] : filesBelow(path);
    }
    return entry.isFile() ? [path] : [];
  });
}

/** Logs and files of the hosts, what runners left in memory, and what the emulator wrote. */
export function filePlaces({ hosts, emulator }: LocalTarget): Place[] {
  const ofHosts = Object.values(hosts).flatMap(({ root }) => filesBelow(root));
  const kept = workRoot();
  const inMemory = existsSync(kept) ? filesBelow(kept) : [];
  return [
    ...[...ofHosts, ...inMemory].map((path) =>
      file(path.includes('/log/') ? 'log of a runner' : 'file of a host', path),
    ),
    file('log of the emulator', emulator.logFile),
  ];
}

/** An operation of a service that speaks JSON, as the account's root. */
async function ask<T>(
  { endpoint, accountId, region }: LocalTarget['emulator'],
  service: string,
  target: string,
  body: object,
): Promise<T> {
  const scope = `${accountId}/20260101/${region}/${service}/aws4_request`;
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': target,
      // The local target does not enforce policies; the key of the account's root names the account.
      authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=none`,
    },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${target} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
}

/** What functions logged, their variables, SSM parameters, and the commands that were sent. */
export async function servicePlaces({ emulator, clients, ssm }: LocalTarget): Promise<Place[]> {
  const places: Place[] = [];
  const logs = <T>(operation: string, body: object) =>
    ask<T>(emulator, 'logs', `Logs_20140328.${operation}`, body);
  const { logGroups } = await logs<{ logGroups: { logGroupName: string }[] }>('DescribeLogGroups', {});
  for (const { logGroupName } of logGroups) {
    const { events } = await logs<{ events: { message: string }[] }>('FilterLogEvents', { logGroupName });
    const text = events.map(({ message }) => message).join('\n');
    places.push({ kind: 'log of a function', where: logGroupName, text });
  }
  const listed = await clients.lambda.send(new ListFunctionsCommand({}));
  for (const { FunctionName, Environment } of listed.Functions ?? []) {
    places.push({
      kind: 'variable of a function',
      where: FunctionName ?? '',
      text: JSON.stringify(Environment?.Variables ?? {}),
    });
  }
  const { Parameters } = await ask<{ Parameters: { Name: string; Value: string }[] }>(
    emulator,
    'ssm',
    'AmazonSSM.GetParametersByPath',
    { Path: '/', Recursive: true },
  );
  for (const { Name, Value } of Parameters) places.push({ kind: 'parameter', where: Name, text: Value });
  for (const { commandId, parameters, values, comment, invocations } of ssm.commands()) {
    const outputs = [...invocations.values()].flatMap(({ stdout, stderr }) => [stdout, stderr]);
    places.push({
      kind: 'command',
      where: commandId,
      text: [JSON.stringify(parameters), JSON.stringify(values), comment, ...outputs].join('\n'),
    });
  }
  return places;
}
