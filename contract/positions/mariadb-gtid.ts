import { NamedError } from '../errors/named-error.ts';

/** The last transaction of one replication domain. */
export type MariadbGtid = { server: number; seq: bigint };

/**
 * A MariaDB GTID position: by domain its last transaction. A position stands for everything before it in each
 * domain; sequence numbers may have gaps, so nothing here counts transactions.
 */
export type MariadbGtidPosition = ReadonlyMap<number, MariadbGtid>;

const gtidPattern = /^(\d{1,10})-(\d{1,10})-(\d{1,20})$/;

function refuse(text: string, why: string): never {
  throw new NamedError('Input.Invalid', `GTID position: ${why}`, {
    field: 'gtid',
    value: text.slice(0, 200),
  });
}

/** A position in the order of its domains. */
const ordered = (entries: Iterable<readonly [number, MariadbGtid]>): MariadbGtidPosition =>
  new Map([...entries].sort(([a], [b]) => a - b));

/**
 * Reads `domain-server-sequence`, domains separated by commas, as `gtid_binlog_pos`, `gtid_slave_pos` and
 * backup tools print it; line breaks and spaces are ignored. One entry per domain. Throws `Input.Invalid`.
 */
export function parseMariadbGtid(text: string): MariadbGtidPosition {
  const position = new Map<number, MariadbGtid>();
  for (const part of text.replace(/\s+/g, '').split(',')) {
    if (part === '') continue;
    const match = gtidPattern.exec(part);
    if (!match) refuse(text, `${part} is not domain-server-sequence`);
    const domain = Number(match[1]);
    const server = Number(match[2]);
    const seq = BigInt(match[3]!);
    if (domain > 0xffffffff || server > 0xffffffff || seq > 2n ** 64n - 1n) {
      refuse(text, `${part} is beyond 32, 32 and 64 bits`);
    }
    if (position.has(domain)) refuse(text, `domain ${domain} appears twice`);
    position.set(domain, { server, seq });
  }
  return ordered(position);
}

/** One line, by domain: equal positions give equal text, the empty position the empty string. */
export const formatMariadbGtid = (position: MariadbGtidPosition): string =>
  [...ordered(position)].map(([domain, { server, seq }]) => `${domain}-${server}-${seq}`).join(',');

/**
 * Whether whoever stands at `a` has everything up to `b`. The same sequence number written by another server is
 * another transaction, which `a` does not have.
 */
export function mariadbGtidContains(a: MariadbGtidPosition, b: MariadbGtidPosition): boolean {
  return mariadbGtidSubtract(b, a).size === 0;
}

export const mariadbGtidEquals = (a: MariadbGtidPosition, b: MariadbGtidPosition): boolean =>
  formatMariadbGtid(a) === formatMariadbGtid(b);

/**
 * The position that contains both. Throws `Position.Diverged` where a domain has one sequence number from two
 * servers: two histories, of which no position can contain both.
 */
export function mariadbGtidUnion(a: MariadbGtidPosition, b: MariadbGtidPosition): MariadbGtidPosition {
  const all = new Map(a);
  for (const [domain, theirs] of b) {
    const ours = all.get(domain);
    if (ours && ours.seq === theirs.seq && ours.server !== theirs.server) {
      throw new NamedError(
        'Position.Diverged',
        `domain ${domain} stands at ${ours.seq} from server ${ours.server} and from server ${theirs.server}`,
        { domain, sequence: String(ours.seq) },
      );
    }
    if (!ours || theirs.seq > ours.seq) all.set(domain, theirs);
  }
  return ordered(all);
}

/** The domains in which `a` has something that `b` has not, each with where `a` stands. */
export function mariadbGtidSubtract(a: MariadbGtidPosition, b: MariadbGtidPosition): MariadbGtidPosition {
  return ordered(
    [...a].filter(([domain, { server, seq }]) => {
      const there = b.get(domain);
      return !there || seq > there.seq || (seq === there.seq && server !== there.server);
    }),
  );
}
