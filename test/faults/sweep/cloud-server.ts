import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32 } from 'node:zlib';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { ObjectsOf } from '../../../functions/clients/objects.ts';

/** What stands behind the server. */
export type Cloud = {
  dynamo: DynamoDBDocumentClient;
  objectsOf: ObjectsOf;
  region: string;
  heartbeat: (token: string) => 'taken' | 'gone';
  answer: (token: string, what: { output: unknown } | { error: string; cause: string }) => 'taken' | 'gone';
  askBroker: (request: unknown) => Promise<unknown>;
  /** Of the host that asks. */
  userid: () => string;
  secret: string;
};

type Json = Record<string, unknown>;
type Wire = { [type in 'S' | 'N' | 'BOOL' | 'NULL' | 'M' | 'L']?: unknown };

const mapped = (fields: Json, turn: (value: never) => unknown) =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, turn(value as never)]));

/** A value as DynamoDB's JSON has it; rows of jobs hold no sets and no bytes. */
function toWire(value: unknown): Wire {
  if (value === null) return { NULL: true };
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'number') return { N: String(value) };
  if (typeof value === 'boolean') return { BOOL: value };
  return Array.isArray(value) ? { L: value.map(toWire) } : { M: mapped(value as Json, toWire) };
}

function fromWire(wire: Wire): unknown {
  if ('NULL' in wire) return null;
  if ('N' in wire) return Number(wire.N);
  if ('M' in wire) return mapped(wire.M as Json, fromWire);
  if ('L' in wire) return (wire.L as Wire[]).map(fromWire);
  return wire.S ?? wire.BOOL;
}

const crcOf = (bytes: Uint8Array) => {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(bytes));
  return sum.toString('base64');
};

/**
 * The services that a runner speaks to, over HTTP on one loopback port and backed by what the functions of the same
 * installation use in memory: DynamoDB, S3, Step Functions, Lambda, STS and Secrets Manager, of each what a runner asks.
 */
export async function startCloudServer(cloud: Cloud) {
  const json = (response: ServerResponse, status: number, body: Json) => {
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' });
    response.end(JSON.stringify(body));
  };

  const dynamodb = async (command: string, body: Json, response: ServerResponse) => {
    const fields = Object.fromEntries(
      ['Key', 'ExpressionAttributeValues']
        .filter((field) => field in body)
        .map((field) => [field, mapped(body[field] as Json, fromWire)]),
    );
    const named = {
      constructor: { name: `${command.replace('Item', '')}Command` },
      input: { ...body, ...fields },
    };
    try {
      const answer = (await cloud.dynamo.send(named as never)) as { Item?: Json; Attributes?: Json };
      json(response, 200, {
        ...(answer.Item ? { Item: mapped(answer.Item, toWire) } : {}),
        ...(answer.Attributes ? { Attributes: mapped(answer.Attributes, toWire) } : {}),
      });
    } catch (thrown) {
      const { name, message } = thrown as Error;
      json(response, 400, { __type: `com.amazonaws.dynamodb.v20120810#${name}`, message });
    }
  };

  const stepFunctions = (command: string, body: Json, response: ServerResponse) => {
    const token = String(body.taskToken);
    const took =
      command === 'SendTaskHeartbeat'
        ? cloud.heartbeat(token)
        : command === 'SendTaskSuccess'
          ? cloud.answer(token, { output: JSON.parse(String(body.output)) })
          : cloud.answer(token, { error: String(body.error), cause: String(body.cause) });
    if (took === 'taken') json(response, 200, {});
    else json(response, 400, { __type: 'TaskTimedOut', message: 'Task Timed Out' });
  };

  const s3 = async (request: IncomingMessage, body: Buffer, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://cloud');
    const [, bucket = '', ...rest] = url.pathname.split('/');
    const key = rest.join('/');
    const objects = cloud.objectsOf({ bucket, region: cloud.region });
    const refuse = (status: number, code: string) => {
      response.writeHead(status, { 'content-type': 'application/xml' });
      response.end(`<Error><Code>${code}</Code></Error>`);
    };
    if (request.method === 'PUT') {
      if (request.headers['x-amz-checksum-crc32'] !== crcOf(body)) return refuse(400, 'BadDigest');
      if (request.headers['if-none-match'] !== '*') return refuse(403, 'AccessDenied');
      const { outcome } = await objects.putOnce(key, body as unknown as string);
      if (outcome === 'exists') return refuse(412, 'PreconditionFailed');
      const stored = await objects.head(key);
      response.writeHead(200, {
        'x-amz-version-id': stored?.versionId ?? '',
        'x-amz-checksum-crc32': crcOf(body),
      });
      response.end();
      return;
    }
    const stored = await objects.get(key);
    if (stored === undefined) return refuse(404, 'NoSuchKey');
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const bytes = range ? stored.body.subarray(Number(range[1]), Number(range[2]) + 1) : stored.body;
    response.writeHead(range ? 206 : 200, { 'content-length': String(bytes.length) });
    response.end(bytes);
  };

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const [service = '', command = ''] = String(request.headers['x-amz-target'] ?? '').split('.');
    if (service.startsWith('DynamoDB')) return dynamodb(command, JSON.parse(body.toString()), response);
    if (service === 'AWSStepFunctions') return stepFunctions(command, JSON.parse(body.toString()), response);
    if (service === 'secretsmanager') return json(response, 200, { SecretString: cloud.secret });
    if (request.url?.endsWith('/invocations')) {
      const answer = await cloud.askBroker(JSON.parse(body.toString())).catch((thrown: Error) => thrown);
      const failed = answer instanceof Error;
      response.writeHead(200, failed ? { 'x-amz-function-error': 'Unhandled' } : {});
      response.end(
        JSON.stringify(failed ? { errorType: answer.name, errorMessage: answer.message } : answer),
      );
      return;
    }
    if (body.toString().includes('Action=GetCallerIdentity')) {
      response.writeHead(200, { 'content-type': 'text/xml' });
      response.end(
        `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><UserId>${cloud.userid()}</UserId><Account>111122223333</Account><Arn>arn:aws:sts::111122223333:assumed-role/holdfast-host/x</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`,
      );
      return;
    }
    return s3(request, body, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
