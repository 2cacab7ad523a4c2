import { rmSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { DeleteRolePolicyCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sessionPolicyOf } from '../../functions/restore/session-policy.ts';
import { startEmulator } from '../../infra/local/emulator.ts';
import { localPaths, makeLocalDirectories } from '../../infra/local/paths.ts';
import { openRegistry } from '../../infra/local/processes.ts';
import type { PolicyStatement } from '../infra/policies/decide.ts';
import { hostId, makeAccount } from './permissions/account.ts';
import { iamAllows } from './permissions/as-iam-decides.ts';
import { callsOfServices } from './permissions/calls-of-services.ts';
import {
  type AccountAtWork,
  type Call,
  callsOfS3,
  callsOfTables,
  foreignVolume,
  volume,
} from './permissions/calls-of-stores.ts';
import { type Keys, makeSend, type Send } from './permissions/requests.ts';
import { claim, runnerParts } from './permissions/runner-at-work.ts';
import { orderRestore, restoreJob, storeWhatIsThere } from './permissions/store-what-is-there.ts';

// One emulator that enforces policies, one account whose roles are those of the synthesized templates
// (permissions/as-emulated.ts says what of them it does not understand). Every call of the catalogue is made with the
// credentials under test; what the tests do not name must be denied.
const paths = localPaths('permissions');
const registry = openRegistry(paths.pids);
let account: AccountAtWork;
let send: Send;
let calls: Call[];

beforeAll(async () => {
  rmSync(paths.emulatorState, { recursive: true, force: true });
  makeLocalDirectories(paths);
  const emulator = await startEmulator({
    program: paths.emulator,
    nodeBin: paths.nodeBin,
    stateDir: paths.emulatorState,
    registry,
    auth: true,
  });
  send = makeSend(emulator.endpoint, emulator.region);
  account = await storeWhatIsThere(await makeAccount(emulator));
  await account.deployBroker(paths.run);
  calls = [...callsOfS3(account), ...callsOfTables(account), ...callsOfServices(account)];
});
afterAll(async () => {
  await registry.stopAll();
  rmSync(paths.run, { recursive: true, force: true });
});

/**
 * What the emulator lets through and IAM does not, by role: it knows neither `dynamodb:LeadingKeys` nor
 * `s3:if-none-match`. And the other way round what it denies, since a command names no document to it, and metrics
 * no namespace. That IAM decides otherwise is asserted below, and in test/infra/policies.
 */
const notEnforcedHere = {
  host: { 'overwrite a volume': 'done', 'get a job row of another host': 'done' },
};
const refusedHereOnly = { dispatchRole: ['send our document'], reconcile: ['put metrics'] };

/** What came of every call of the catalogue that was not denied. */
async function notDenied(keys: Keys): Promise<Record<string, string>> {
  const answers: Record<string, string> = {};
  for (const { name, request } of calls) {
    const answer = await send(request, keys);
    if (answer !== 'denied') answers[name] = answer;
  }
  return answers;
}

const as = (role: string) => account.sessionOf(account.arnOfRole(role), 'test');
const asFunction = (name: string) => as(account.names.functionRole(name));

describe('what a host can do, of everything that can be asked for', () => {
  it('is to put new objects, to see and update job rows, and to reach broker, tasks, its secret and its runner', async () => {
    expect(await notDenied(account.hostKeys)).toEqual({
      'put a new volume': 'done',
      // Under another cluster's name it counts for nothing: control ordered no such backup.
      'put a new volume of another cluster': 'done',
      'put a manifest': 'done',
      'put a segment': 'done',
      'put a volume that is there, once': 'PreconditionFailed',
      'get the runner': 'done',
      'get its own job row': 'done',
      'update its own job row': 'done',
      'read its own secret': 'done',
      'answer a task with success': 'TaskDoesNotExist',
      'answer a task with failure': 'TaskDoesNotExist',
      'beat for a task': 'TaskDoesNotExist',
      'ask the broker': 'done',
      'report as an agent': 'InvalidAction',
      ...notEnforcedHere.host,
    });
  });
});

describe('what the roles of functions can do', () => {
  it('is for verify to read what is stored and the catalog', async () => {
    expect(await notDenied(await asFunction('verify'))).toEqual({
      'get a volume of its cluster': 'done',
      'get a volume of another cluster': 'done',
      'get a volume of a cluster whose name begins the same': 'done',
      'look at a volume': 'done',
      'get a version of a volume': 'done',
      'list the bucket': 'done',
      'list one prefix': 'done',
      'get an order': 'done',
      'query the catalog': 'done',
    });
  });

  it('is for dispatch to write orders and rows, to fail tasks, and to become the dispatch role', async () => {
    expect(await notDenied(await asFunction('dispatch'))).toEqual({
      'get its own job row': 'done',
      'update its own job row': 'done',
      'get a job row of another host': 'done',
      'put a job row': 'done',
      'get an order': 'done',
      'put into the catalog': 'done',
      'answer a task with success': 'TaskDoesNotExist',
      'answer a task with failure': 'TaskDoesNotExist',
      'take the dispatch role': 'done',
    });
  });

  it('is for the dispatch role to look up the hosts’ role, and to send our document where the emulator can tell', async () => {
    const keys = await account.sessionOf(
      account.arnOfRole(account.names.dispatchRole),
      'dispatch',
      await asFunction('dispatch'),
    );
    expect(await notDenied(keys)).toEqual({ 'look up the hosts’ role': 'done' });
  });

  it('is for broker to look into the tables and to become the restore role', async () => {
    expect(await notDenied(await asFunction('broker'))).toEqual({
      'get its own job row': 'done',
      'get a job row of another host': 'done',
      'get an order': 'done',
      'take the restore role': 'done',
    });
  });
});

const session = (): PolicyStatement[] =>
  JSON.parse(sessionPolicyOf({ partition: 'aws', bucket: account.bucket, clusterId: 'shop' })).Statement;

describe('a restore', () => {
  const secret = 'hV3kq8Zt0pXw6nJc1rBy5mEd9sGf2uLa';

  it('is lent rights by the broker for a job that its host has claimed: to read one cluster, and nothing else', async () => {
    await orderRestore(account);
    const { rows, ask, store } = runnerParts(account);
    const request = { v: 1 as const, hostId, jobId: restoreJob, secret };
    expect(await ask(request)).toMatchObject({ outcome: 'refused', error: { cause: 'the job is queued' } });
    const own = claim(restoreJob, secret);
    expect(await rows.claim(own, '0.1.0', new Date().toISOString())).toMatchObject({ outcome: 'claimed' });
    expect(await ask({ ...request, secret: secret.toLowerCase() })).toMatchObject({ outcome: 'refused' });
    const lent = await ask(request);
    if (lent.outcome !== 'granted') throw new Error(lent.error.cause);

    expect(await notDenied(lent)).toEqual({
      'get a volume of its cluster': 'done',
      'get a segment of its cluster': 'done',
      'look at a volume': 'done',
      'get a version of a volume': 'done',
    });
    const read = store(lent).getSmallObject;
    expect((await read({ key: volume, most: 100 })).toString()).toBe('stored');
    await expect(read({ key: foreignVolume, most: 100 })).rejects.toMatchObject({ name: 'Store.Denied' });

    const allowed = calls.filter((c) => iamAllows(account, account.names.restoreRole('home'), c, session()));
    expect(allowed.map(({ name }) => name)).toEqual(Object.keys(await notDenied(lent)));
  });

  it('is lent nothing any more when its job has ended', async () => {
    const { rows, ask } = runnerParts(account);
    const own = claim(restoreJob, secret);
    const error = { name: 'Restore.NoSpace' as const, cause: 'x' };
    await rows.finish(own, { state: 'failed', error }, new Date().toISOString());
    expect(await ask({ v: 1, hostId, jobId: restoreJob, secret })).toMatchObject({
      outcome: 'refused',
      error: { name: 'Broker.Refused', cause: 'the job is failed' },
    });
  });
});

describe('the parts of the runner, with the credentials of its host', () => {
  it('know who they are, write a volume once, and neither read it nor write it again', async () => {
    const { identity, own } = runnerParts(account);
    expect(await identity()).toEqual({ userid: account.userid, hostId });
    const body = Buffer.from('one volume');
    const put = (key: string) => own.putObject({ key, body, crc: crc32(body) });
    const key = 'shop/backups/b-7/volumes/main/000000';
    expect((await put(key)).versionId).toBeTruthy();
    await expect(put(key)).rejects.toMatchObject({ name: 'Store.Conflict' });
    await expect(own.getSmallObject({ key, most: 100 })).rejects.toMatchObject({ name: 'Store.Denied' });
    for (const closed of ['receipts/shop/b-7/x-verified.json', 'registry/clusters/shop.json', 'shop/x'])
      await expect(put(closed), closed).rejects.toMatchObject({ name: 'Store.Denied' });
  });

  it('read their own secret and no other host’s', async () => {
    const { secret } = runnerParts(account);
    expect(await secret(`holdfast/${hostId}/root`)).toBe('{}');
    await expect(secret('holdfast/mi-0foreign/root')).rejects.toMatchObject({ name: 'Member.LoginFailed' });
  });

  it('have no catalog, and answer a task that nobody waits for without an error', async () => {
    const { rowsIn, tasks } = runnerParts(account);
    await expect(rowsIn(account.names.catalogTable).get('any')).rejects.toMatchObject({
      name: expect.stringContaining('AccessDenied'),
    });
    expect(await tasks.heartbeat('no-token')).toBe('gone');
  });
});

describe('every role of the installation', () => {
  it('can do here what IAM would let it do by the templates as they are, but for what is named above', async () => {
    const { templates, names } = account;
    for (const { name } of templates.roles) {
      const chained = { [names.restoreRole('home')]: 'broker', [names.dispatchRole]: 'dispatch' }[name];
      const keys = chained
        ? await account.sessionOf(account.arnOfRole(name), 'test', await asFunction(chained))
        : name === names.hostRole
          ? account.hostKeys
          : await as(name);
      const here = Object.keys(await notDenied(keys));
      const there = calls.filter((call) => iamAllows(account, name, call)).map((call) => call.name);
      const extra = name === names.hostRole ? Object.keys(notEnforcedHere.host) : [];
      const missing =
        name === names.dispatchRole
          ? refusedHereOnly.dispatchRole
          : name === names.functionRole('reconcile')
            ? refusedHereOnly.reconcile
            : [];
      expect({ name, may: [...here, ...missing].toSorted() }).toEqual({
        name,
        may: [...there, ...extra].toSorted(),
      });
    }
    expect(templates.roles.length).toBeGreaterThan(25);
  });
});

describe('a host’s role that was given every right by mistake', () => {
  it('still only puts at the site’s bucket, since the bucket itself refuses the rest', async () => {
    const { iam, names, bucket, hostKeys } = account;
    const mistake = { RoleName: names.hostRole, PolicyName: 'mistake' };
    const PolicyDocument = JSON.stringify({ Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] });
    await iam.send(new PutRolePolicyCommand({ ...mistake, PolicyDocument }));
    const atBucket = calls.filter(({ resource }) => `${resource}/`.startsWith(`arn:aws:s3:::${bucket}/`));
    const answers = [];
    for (const { name, request } of atBucket)
      if ((await send(request, hostKeys)) !== 'denied') answers.push(name);
    await iam.send(new DeleteRolePolicyCommand(mistake));
    expect(atBucket.length).toBeGreaterThan(30);
    expect(answers).toEqual([
      'put a new volume',
      'put a new volume of another cluster',
      'put a manifest',
      'put a segment',
      'put a volume that is there, once',
      'overwrite a volume',
    ]);
  });
});

describe('the catalogue', () => {
  it('holds calls that are refused for want of rights alone: whoever may do everything is denied only the roles that trust others', async () => {
    const everything = await notDenied({ accessKeyId: account.account, secretAccessKey: 'local' });
    expect(calls.map(({ name }) => name).filter((name) => !(name in everything))).toEqual([
      'take the restore role',
      'take the dispatch role',
    ]);
    expect(new Set(calls.map(({ name }) => name)).size).toBe(calls.length);
  });
});
