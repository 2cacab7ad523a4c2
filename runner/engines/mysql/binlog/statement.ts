import { inflateSync } from 'node:zlib';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import { type BinlogEvent, keptBytes } from './event-reader.ts';

/** The text of a query event, or as much of it as is held, and the schema it ran in. */
export type Statement = { schema: string; text: string; whole: boolean };

/** Query events have 13 bytes of fixed fields: thread, duration, length of the schema's name, error, length of variables. */
const fixedBytes = 13;

const damaged = (event: BinlogEvent) =>
  new NamedError('Log.Damaged', `at offset ${event.at}: the event ${event.name} is too short`, {
    offset: event.at,
  });

/** Reads Query_log_event; MariaDB's compressed one as well, up to what is held of any event. */
export function readStatement(event: BinlogEvent): Statement {
  const { body } = event;
  if (body.length < fixedBytes) throw damaged(event);
  const schemaBytes = body[8]!;
  const at = fixedBytes + body.readUInt16LE(11);
  const text = at + schemaBytes + 1;
  if (body.length < text) throw damaged(event);
  const schema = body.subarray(at, at + schemaBytes).toString('utf8');
  const rest = body.subarray(text);
  if (event.name === 'query') return { schema, text: rest.toString('utf8'), whole: event.whole };
  return { schema, ...inflated(rest, event) };
}

/** One byte says how many bytes of length follow, then zlib (log_event.cc, binlog_buf_compress). */
function inflated(rest: Buffer, event: BinlogEvent): { text: string; whole: boolean } {
  const lengthBytes = (rest[0] ?? 0) & 7;
  if ((rest[0] ?? 0) < 0x80 || lengthBytes < 1 || lengthBytes > 4 || rest.length < 1 + lengthBytes) {
    throw damaged(event);
  }
  const length = rest.readUIntBE(1, lengthBytes);
  if (!event.whole || length > keptBytes * 16) return { text: '', whole: false };
  try {
    const text = inflateSync(rest.subarray(1 + lengthBytes), { maxOutputLength: length + 1 }).toString(
      'utf8',
    );
    return { text, whole: true };
  } catch (cause) {
    const message = `at offset ${event.at}: a compressed statement cannot be read`;
    throw new NamedError('Log.Damaged', message, { offset: event.at }, { cause });
  }
}

/** Table_map_event: table id and flags (8 bytes), then both names with their lengths. */
export function readTableMap(event: BinlogEvent): [schema: string, table: string] {
  const { body } = event;
  const schemaBytes = body[8] ?? 0;
  const at = 9 + schemaBytes + 1;
  const tableBytes = body[at] ?? 0;
  if (body.length < at + 1 + tableBytes) throw damaged(event);
  return [
    body.subarray(9, 9 + schemaBytes).toString('utf8'),
    body.subarray(at + 1, at + 1 + tableBytes).toString('utf8'),
  ];
}
