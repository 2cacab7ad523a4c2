import { beforeEach, describe, expect, it } from 'vitest';
import type { ClusterDocument } from '../../../../contract/records/cluster.ts';
import { makeOrderJob } from '../../../../functions/backup/order-job.ts';
import { makeCheckHosts } from '../../../../functions/fleet/check-hosts.ts';
import { makeHandler } from '../../../../functions/fleet/register.ts';
import { makeRegisterCluster } from '../../../../functions/fleet/register-cluster.ts';
import { makeRegisterHost } from '../../../../functions/fleet/register-host.ts';
import { makeMemoryCatalog } from '../../../doubles/memory-catalog.ts';
import { makeMemoryBuckets } from '../../../doubles/memory-objects.ts';
import { aCheckResult, aCluster, aHost, aPolicy } from '../../../doubles/records.ts';

const sites = {
  frankfurt: { bucket: 'site-frankfurt', region: 'eu-central-1', account: '111122223333' },
  paris: { bucket: 'site-paris', region: 'eu-west-3', account: '111122223333' },
};
const hostPlaces = {
  '111122223333/eu-central-1': {
    dispatchRoleArn: 'arn:aws:iam::111122223333:role/holdfast-dispatch',
    document: 'holdfast-run-job',
    hostRoleName: 'holdfast-host',
  },
};

let catalog: ReturnType<typeof makeMemoryCatalog>;
let buckets: ReturnType<typeof makeMemoryBuckets>;
/** What each host's runner answers to a check: a change of the member's inspection, an error, or silence. */
let answers: Record<string, Parameters<typeof aCheckResult>[1] | 'silent' | { name: string; cause: string }>;
let asked: string[];
let clock: number;

beforeEach(() => {
  catalog = makeMemoryCatalog();
  buckets = makeMemoryBuckets();
  answers = {};
  asked = [];
  clock = Date.parse('2026-11-23T01:00:00.000Z');
});

const now = () => new Date(clock);

/** The runner of a host: claims nothing, ends the row with its answer. */
async function answer(host: { hostId: string; jobId: string }): Promise<void> {
  const userid = `AROAEXAMPLE:${host.hostId}`;
  const row = await catalog.jobs.get(userid, host.jobId);
  asked.push(host.hostId);
  const said = answers[host.hostId] ?? {};
  if (row === undefined || said === 'silent' || row.order.kind !== 'check') return;
  if ('cause' in said) {
    await catalog.jobs.endFor(userid, row, 'failed', now().toISOString(), {
      error: said as { name: string; cause: string },
    });
    return;
  }
  const memberId = row.order.member?.memberId;
  const { member, ...rest } = aCheckResult(memberId ?? '', said);
  const result = { ...rest, ...(memberId === undefined ? {} : { member }) };
  await catalog.jobs.endFor(userid, row, 'succeeded', now().toISOString(), { result });
}

function register(document: unknown, change: { userIdOf?: () => Promise<string> } = {}) {
  let jobs = 0;
  const sleep = async (ms: number) => {
    clock += ms;
  };
  const shared = {
    ...catalog,
    checkHosts: makeCheckHosts({
      orderJob: makeOrderJob({
        ...catalog,
        launch: async (host) => {
          await answer(host);
          return { outcome: 'launched' };
        },
        now,
      }),
      ...catalog,
      now,
      sleep,
    }),
    sites,
    objectsOf: buckets.of,
    mint: { jobId: () => `job-${asked.length}-${jobs++}` },
    now,
  };
  return makeHandler({
    registerCluster: makeRegisterCluster({
      ...shared,
      getPolicy: async (name) => (name === 'nightly' ? aPolicy({ copies: [] }) : undefined),
    }),
    registerHost: makeRegisterHost({
      ...shared,
      hostPlaces,
      userIdOf: async ({ hostId }) => `AROAEXAMPLE:${hostId}`,
      ...change,
    }),
    uuid: () => `u${++clock}`,
  })(document);
}

const host = (hostId: string, change: object = {}) => ({
  hostId,
  account: '111122223333',
  region: 'eu-central-1',
  purposes: ['database'],
  ...change,
});
const cluster = (change: Partial<ClusterDocument> = {}) => aCluster(change).document;
const refusal = (cause: string | RegExp, name = 'Register.Refused') => ({
  outcome: 'refused',
  error: { name, cause: expect.stringMatching(cause) },
});

describe('registering a host', () => {
  it('asks its runner, and keeps its identity and its registration at every site', async () => {
    const answered = await register(host('i-a'));
    expect(answered).toMatchObject({ outcome: 'registered', kind: 'host', id: 'i-a' });
    const record = await catalog.hosts.get('i-a');
    expect(record).toMatchObject({ state: 'registered', userid: 'AROAEXAMPLE:i-a', document: host('i-a') });
    for (const site of ['site-frankfurt', 'site-paris']) {
      const objects = buckets.bucket(site);
      expect(objects.keys()).toEqual([`registry/hosts/i-a/${record?.registeredAt}.json`]);
      const stored = await objects.get(objects.keys()[0]!);
      expect(JSON.parse(Buffer.from(stored?.body ?? []).toString())).toEqual(record);
    }
  });

  it('changes nothing for the same document', async () => {
    await register(host('i-a'));
    const record = await catalog.hosts.get('i-a');
    expect(await register(host('i-a'))).toEqual({ outcome: 'unchanged', kind: 'host', id: 'i-a' });
    expect(await catalog.hosts.get('i-a')).toEqual(record);
    expect(asked).toEqual(['i-a']);
    expect(buckets.bucket('site-paris').keys()).toHaveLength(1);
  });

  it('writes the registration that an earlier call did not come to write', async () => {
    await register(host('i-a'));
    const objects = buckets.bucket('site-paris');
    const [key] = objects.keys();
    objects.remove(key!);
    await register(host('i-a'));
    expect(objects.keys()).toEqual([key]);
  });

  it('refuses a host that does not answer, after 90 s, with its job cancelled', async () => {
    answers['i-a'] = 'silent';
    expect(await register(host('i-a'))).toMatchObject(
      refusal('hostId: i-a did not answer its check within 90 s'),
    );
    expect((await catalog.hosts.get('i-a'))?.state).toBe('checking');
    for (const { userid, jobId } of await catalog.orders.maybeLive()) {
      expect((await catalog.jobs.get(userid, jobId))?.live).toBeUndefined();
    }
    answers['i-a'] = {};
    expect(await register(host('i-a'))).toMatchObject({ outcome: 'registered' });
  });

  it('keeps a registered host as it was when its change does not pass', async () => {
    await register(host('i-a'));
    const record = await catalog.hosts.get('i-a');
    answers['i-a'] = 'silent';
    expect((await register(host('i-a', { purposes: ['restore'] }))).outcome).toBe('refused');
    expect(await catalog.hosts.get('i-a')).toEqual(record);
  });

  it('refuses a place without hosts, and an account whose role cannot be read', async () => {
    expect(await register(host('i-a', { region: 'eu-west-3' }))).toMatchObject(
      refusal(
        'account, region: 111122223333/eu-west-3 is not a place with hosts; the settings have 111122223333/eu-central-1',
      ),
    );
    const userIdOf = () => Promise.reject(new Error('NoSuchEntity'));
    expect(await register(host('i-a'), { userIdOf })).toMatchObject(
      refusal(/NoSuchEntity.*Hosts stack deployed/),
    );
    expect(await catalog.hosts.get('i-a')).toBeUndefined();
  });

  it.each([
    [{ account: '12' }, 'account is "12": must be a 12-digit account id'],
    [{ region: 'Frankfurt' }, 'region is "Frankfurt": must be a region such as eu-central-1'],
    [{ purposes: [] }, 'purposes: '],
    [{ hostId: 'I A' }, 'hostId is "I A": must match'],
    [{ colour: 'red' }, 'colour'],
  ])('refuses a document that does not fit: %o', async (change, cause) => {
    expect(await register(host('i-a', change))).toMatchObject(refusal(cause, 'Input.Invalid'));
  });
});

describe('registering a cluster', () => {
  beforeEach(async () => {
    for (const hostId of ['i-a', 'i-b']) await catalog.hosts.put(aHost(hostId), undefined);
  });

  it('looks at every member on its host, then keeps the registration at the home site', async () => {
    const answered = await register(cluster());
    expect(answered).toMatchObject({
      outcome: 'registered',
      kind: 'cluster',
      id: 'orders',
      checks: [
        { memberId: 'orders-a', hostId: 'i-a', result: { kind: 'check' } },
        { memberId: 'orders-b', hostId: 'i-b', result: { kind: 'check' } },
      ],
      notes: ['policy nightly names no site for copies: whoever destroys frankfurt destroys every backup'],
    });
    const record = await catalog.clusters.get('orders');
    expect(record).toMatchObject({ state: 'registered', document: cluster() });
    expect(buckets.bucket('site-frankfurt').keys()).toEqual([
      `registry/clusters/orders/${record?.registeredAt}.json`,
    ]);
    expect(buckets.bucket('site-paris').keys()).toEqual([]);
  });

  it('changes nothing for the same document, also when its fields come in another order', async () => {
    await register(cluster());
    const turned = Object.fromEntries(Object.entries(cluster()).reverse());
    expect(await register(turned)).toEqual({ outcome: 'unchanged', kind: 'cluster', id: 'orders' });
    expect(asked).toHaveLength(2);
  });

  it('refuses a cluster whose server does not let the runner in, and leaves it unregistered', async () => {
    answers['i-b'] = { name: 'Member.LoginFailed', cause: 'access denied for root' };
    expect(await register(cluster())).toMatchObject({
      ...refusal(/^member orders-b on i-b: Member.LoginFailed: access denied for root$/),
      checks: [{ memberId: 'orders-a' }, { memberId: 'orders-b' }],
    });
    expect((await catalog.clusters.get('orders'))?.state).toBe('checking');
  });

  it('refuses a server that cannot be reached, but takes one that may not be backed up just now', async () => {
    answers['i-b'] = { reachable: false, ineligible: ['nothing listens'] };
    expect(await register(cluster())).toMatchObject(refusal('its server cannot be reached: nothing listens'));
    answers['i-b'] = { ineligible: ['it lags'] };
    expect(await register(cluster())).toMatchObject({
      outcome: 'registered',
      notes: expect.arrayContaining(['member orders-b cannot be backed up now: it lags']),
    });
  });

  it('pauses, retires and resumes without asking the hosts, which may be down', async () => {
    await register(cluster());
    answers = { 'i-a': 'silent', 'i-b': 'silent' };
    const paused = { until: '2026-12-01T00:00:00.000Z', reason: 'new disks' };
    expect(await register(cluster({ paused }))).toMatchObject({
      outcome: 'registered',
      checks: [],
      notes: expect.arrayContaining([
        'no backup of orders is started until 2026-12-01T00:00:00.000Z and none counts as missing; what is stored stays',
      ]),
    });
    expect(await register(cluster({ retired: true }))).toMatchObject({
      notes: expect.arrayContaining([expect.stringContaining('kept as policy nightly says (35 days)')]),
    });
    expect((await register(cluster())).outcome).toBe('registered');
    expect(buckets.bucket('site-frankfurt').keys()).toHaveLength(4);
  });

  it('keeps a registered cluster as it was when its change does not pass', async () => {
    await register(cluster());
    answers['i-a'] = 'silent';
    const fewer = cluster({ members: cluster().members.slice(0, 1) });
    expect((await register(fewer)).outcome).toBe('refused');
    expect((await catalog.clusters.get('orders'))?.document.members).toHaveLength(2);
  });

  it.each([
    [{ homeSite: 'london' }, 'homeSite: london is not a site; the settings have frankfurt, paris'],
    [{ policy: 'weekly' }, 'policy: weekly is not deployed'],
    [{ flavour: 'mongodb' as const }, 'engine, flavour: mysql/mongodb is not supported by this version'],
  ])('refuses %o before any host is asked', async (change, cause) => {
    expect(await register(cluster(change))).toMatchObject(refusal(cause));
    expect(asked).toEqual([]);
    expect(await catalog.clusters.get('orders')).toBeUndefined();
  });

  it('takes a datadir that a refused document of another name wanted', async () => {
    const [first] = cluster().members;
    const misspelt = { ...cluster({ clusterId: 'oders', members: [first!] }) };
    answers['i-a'] = { reachable: false };
    expect(await register(misspelt)).toMatchObject({ outcome: 'refused' });
    answers = {};
    expect(await register(cluster())).toMatchObject({ outcome: 'registered' });
  });

  it('refuses members on hosts that are unknown, serve another purpose, or hold another cluster’s data', async () => {
    const [first] = cluster().members;
    await catalog.hosts.put(aHost('i-c', { purposes: ['restore'] }), undefined);
    await register(cluster({ clusterId: 'other', members: [first!] }));
    const members = [
      first!,
      { ...first!, memberId: 'b', hostId: 'i-x' },
      { ...first!, memberId: 'c', hostId: 'i-c' },
    ];
    expect(await register(cluster({ members }))).toMatchObject({
      error: {
        cause: [
          'members.0.datadir: /var/lib/mysql on i-a belongs to cluster other',
          'members.1.hostId: i-x is not registered; register the host first',
          'members.2.hostId: i-c has the purposes restore; database is needed',
        ].join('; '),
      },
    });
  });

  it('refuses a document that does not fit, and one that is of nothing', async () => {
    const twice = [cluster().members[0]!, cluster().members[0]!];
    expect(await register({ ...cluster(), members: twice })).toMatchObject(
      refusal('members.1.memberId is "orders-a": orders-a is used twice', 'Input.Invalid'),
    );
    expect(await register({ ...cluster(), clusterId: 'receipts' })).toMatchObject(
      refusal('clusterId is "receipts": receipts and registry are reserved', 'Input.Invalid'),
    );
    expect(await register({ name: 'orders' })).toMatchObject(
      refusal('neither clusterId nor hostId', 'Input.Invalid'),
    );
  });
});
