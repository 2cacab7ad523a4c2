import { NamedError } from '../../contract/errors/named-error.ts';
import { canonicalJson } from '../../contract/formats/codec.ts';
import { registryKey } from '../../contract/layout.ts';
import { type HostRecord, hostDocumentSchema } from '../../contract/records/host.ts';
import type { Mint } from '../backup/mint.ts';
import type { Hosts } from '../catalog/host.ts';
import type { UserIdOf } from '../clients/host-role.ts';
import type { ObjectsOf } from '../clients/objects.ts';
import type { HostPlaces, Sites } from '../env/variables.ts';
import { describeIssues, refused } from '../log/lambda.ts';
import type { CheckHosts } from './check-hosts.ts';
import type { RegisterAnswer } from './register.ts';

export type RegisterHostDeps = {
  hosts: Pick<Hosts, 'get' | 'put'>;
  hostPlaces: HostPlaces;
  userIdOf: UserIdOf;
  checkHosts: CheckHosts;
  sites: Sites;
  objectsOf: ObjectsOf;
  mint: Pick<Mint, 'jobId'>;
  now: () => Date;
};

/** Registers a host: its identity is read, the host answers a check, then the record counts at every site. */
export function makeRegisterHost(deps: RegisterHostDeps) {
  const publish = (record: HostRecord) =>
    Promise.all(
      Object.values(deps.sites).map((site) =>
        deps
          .objectsOf(site)
          .putOnce(registryKey('host', record.document.hostId, record.registeredAt), canonicalJson(record)),
      ),
    );

  return async (input: unknown, execution: string): Promise<RegisterAnswer> => {
    const read = hostDocumentSchema.safeParse(input);
    if (!read.success) return refused('Input.Invalid', describeIssues(read.error, input));
    const document = read.data;
    const { hostId, account, region } = document;
    const known = await deps.hosts.get(hostId);
    if (known?.state === 'registered' && canonicalJson(known.document) === canonicalJson(document)) {
      await publish(known);
      return { outcome: 'unchanged', kind: 'host', id: hostId };
    }
    if (deps.hostPlaces[`${account}/${region}`] === undefined) {
      const places = Object.keys(deps.hostPlaces).join(', ') || 'none';
      return refused(
        'Register.Refused',
        `account, region: ${account}/${region} is not a place with hosts; the settings have ${places}`,
      );
    }
    let userid: string;
    try {
      userid = await deps.userIdOf(document);
    } catch (thrown) {
      const said = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
      return refused(
        'Register.Refused',
        `account, region: the host role in ${account}/${region} could not be read (${said}); is the Hosts stack deployed there?`,
      );
    }
    const checking: HostRecord = {
      v: 1,
      document,
      userid,
      state: 'checking',
      registeredAt: deps.now().toISOString(),
    };
    // A registered host keeps its record until the changed one has been checked.
    const replaces = known?.state === 'registered' ? known : checking;
    if (replaces === checking && !(await deps.hosts.put(checking, known))) throw changedMeanwhile(hostId);
    const [check] = await deps.checkHosts(
      [
        {
          host: checking,
          jobId: deps.mint.jobId(),
          memberId: null,
          order: { kind: 'check', engine: 'mysql', flavour: 'mariadb' },
        },
      ],
      execution,
    );
    const checks = check ? [check] : [];
    if (check === undefined || 'error' in check) {
      const cause = check === undefined ? `hostId: ${hostId} was not checked` : check.error.cause;
      return { ...refused('Register.Refused', cause), checks };
    }
    const record: HostRecord = { ...checking, state: 'registered', registeredAt: deps.now().toISOString() };
    if (!(await deps.hosts.put(record, replaces))) throw changedMeanwhile(hostId);
    await publish(record);
    return { outcome: 'registered', kind: 'host', id: hostId, checks, notes: [] };
  };
}

const changedMeanwhile = (hostId: string) =>
  new NamedError(
    'Register.Refused',
    `hostId: ${hostId} was changed by another registration meanwhile; try again`,
  );
