import { open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { crc32, zstdDecompressSync } from 'node:zlib';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { SegmentHeader } from '../../../../contract/formats/segment.ts';
import { readSegmentHead } from '../../../../contract/formats/segment-codec.ts';
import { parseMariadbGtid } from '../../../../contract/positions/mariadb-gtid.ts';
import type { MysqlPosition } from '../../../../contract/positions/position.ts';
import { headOfEntered } from './file-head.ts';
import { type GtidPairs, readLogHeads } from './log-heads.ts';

/** The files of an archived log as they are replayed. `shift`: how much further in front a byte of the server's file lies. */
export type AssembledLog = {
  files: { path: string; name: string; shift?: number }[];
  /** Ids of the servers that wrote them. */
  serverIds: Set<number>;
  /** After a handover the next member's log may hold once more what the one before had. */
  repeats: boolean;
  /** Transactions of MySQL are in it that have no GTIDs. */
  anonymous?: boolean;
};

const damaged = (segment: string, why: string) =>
  new NamedError('Restore.StreamDamaged', `${segment} ${why}`, { segment });

type OpenFile = {
  path: string;
  name: string;
  server: string;
  /** Offset in the server's file up to which it is written. */
  to: number;
  /** How much further in front the same byte lies in ours. */
  shift: number;
};

/** The log of a stored segment. Throws `Restore.StreamDamaged` where it is not what its header says. */
function openSegment(name: string, stored: Buffer): { header: SegmentHeader; log: Buffer } {
  const parts = readSegmentHead(stored, zstdDecompressSync);
  if (parts === undefined || parts.bytes !== stored.length) throw damaged(name, 'ends before its frames do');
  const { header } = parts;
  const log = Buffer.concat(
    parts.log.map(({ from, to, bytes }) => {
      const frame = zstdDecompressSync(stored.subarray(from, to), { maxOutputLength: bytes + 1 });
      if (frame.length !== bytes) throw damaged(name, `has a frame of ${frame.length} bytes, not ${bytes}`);
      return frame;
    }),
  );
  const crc = crc32(log).toString(16).padStart(8, '0');
  if (log.length !== header.log.to - header.log.from || crc !== header.log.crc) {
    throw damaged(name, `holds other bytes of ${header.log.file} than its header says`);
  }
  return { header, log };
}

/** By server: a position names of each domain only its last writer, which is all that anybody asks of the first file. */
const pairsOf = ({ gtid, flavour }: MysqlPosition): GtidPairs =>
  flavour === 'mariadb'
    ? new Map([...parseMariadbGtid(gtid)].map(([domain, { server, seq }]) => [`${domain}-${server}`, seq]))
    : new Map();

/**
 * Puts stored segments, oldest first, together into the files that their servers wrote, cut off at `until`. Each segment
 * must go on where the one before ended. What a segment held is removed once it is in its file.
 */
export async function assembleLog(
  segments: readonly string[],
  until: MysqlPosition,
  pathOf: (n: number, name: string) => string,
): Promise<AssembledLog> {
  const files: AssembledLog['files'] = [];
  const serverIds = new Set<number>();
  let pairs: GtidPairs | undefined;
  let repeats = false;
  let anonymous = false;
  let file: OpenFile | undefined;
  let before: SegmentHeader | undefined;
  const finish = async () => {
    if (file === undefined) return;
    const heads = await readLogHeads(file.path, pairs);
    for (const id of heads.serverIds) serverIds.add(id);
    anonymous ||= heads.anonymous;
    pairs = heads.pairs;
  };

  for (const stored of segments) {
    const name = basename(stored);
    const { header, log } = openSegment(name, await readFile(stored));
    const { server, start } = header;
    if (file === undefined || file.server !== server.uuid || file.name !== header.log.file) {
      await finish();
      repeats ||= before !== undefined && before.end.gtid !== start.gtid;
      const path = pathOf(files.length + 1, header.log.file);
      const head = headFor(name, header, pairs ?? pairsOf(start));
      await writeFile(path, head, { mode: 0o600, flag: 'wx' });
      file = {
        path,
        name: header.log.file,
        server: server.uuid,
        to: header.log.from,
        shift: header.log.from - head.length,
      };
      files.push({ path, name: file.name, shift: file.shift });
    }
    if (header.log.from !== file.to) {
      throw damaged(
        name,
        `begins at ${header.log.from} of ${file.name}, the one before it ends at ${file.to}`,
      );
    }
    const out = await open(file.path, 'a');
    await out.writeFile(log).finally(() => out.close());
    file.to = header.log.to;
    before = header;
    await rm(stored);
  }
  if (file === undefined) throw damaged('the archived log', 'has no segment');
  const { offset } = until;
  if (file.name !== until.file || offset === undefined || offset > file.to) {
    throw damaged(file.name, `does not reach to ${until.file}:${offset}`);
  }
  await truncate(file.path, Math.max(offset - file.shift, 0));
  await finish();
  return { files, serverIds, repeats, anonymous };
}

/** What stands in a file before its first archived byte. */
function headFor(name: string, { log, start }: SegmentHeader, pairs: GtidPairs): Buffer {
  if (log.from === 0) return Buffer.alloc(0);
  if (log.head === undefined) throw damaged(name, `enters ${log.file} at ${log.from} without its head`);
  const head = Buffer.from(log.head, 'base64');
  return start.flavour === 'mariadb' ? headOfEntered(head, pairs, log.checksum) : head;
}
