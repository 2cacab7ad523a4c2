import { NamedError } from '../../../../../contract/errors/named-error.ts';
import { type Definition, decodeDefinitions } from '../definition.ts';
import { type DumpFile, makeFileNames } from '../dump-files.ts';
import { makeStatementReader } from '../statements.ts';
import { makeTarReader } from '../tar.ts';

/** Definitions of 100,000 tables and of time zones; a forged archive could claim more than memory holds. */
const largestDefinitions = 512 * 1024 * 1024;
/** A row of 512 MiB, each byte of it escaped. */
const largestStatement = 1024 * 1024 * 1024;

/** What an archive is read into. Each call is waited for, so the archive is read as fast as it is taken. */
export type ArchiveTaker = {
  definitions: (definitions: Definition[]) => Promise<void>;
  statement: (of: { schema: string; table: string }, sql: Buffer) => Promise<void>;
};

const damaged = (what: string, file: string) =>
  new NamedError('Restore.StreamDamaged', `${file}: ${what}`, { file });

const insert = /^INSERT INTO `/;
/** The head of a file of rows sets what the loading session has set already. */
const setting = /^(?:\/\*!\d+ )?SET [^;]*;$/;

/**
 * Reads the files of a logical backup as they come: definitions first, then the statements of each file of rows. Nothing
 * else of a dump is run: whatever its host put between the INSERTs is refused.
 */
export function makeFileReader(taker: ArchiveTaker) {
  let files = 0;
  let kindOf: ((file: string) => DumpFile | undefined) | undefined;
  let current: { path: string; kind: DumpFile | undefined } = { path: '', kind: undefined };
  let gathered: Buffer[] = [];
  let held = 0;
  let reader = makeStatementReader();
  const inDefinitions = () => current.path === 'holdfast/definitions.jsonl';

  const gather = (bytes: Buffer, most: number) => {
    held += bytes.length;
    if (held > most) throw damaged(`more than ${most} bytes stand in one piece`, current.path);
    gathered.push(Buffer.from(bytes));
  };
  const whole = () => {
    const bytes = Buffer.concat(gathered);
    gathered = [];
    held = 0;
    return bytes;
  };

  const statement = async (kind: Extract<DumpFile, { kind: 'rows' }>) => {
    const bytes = whole();
    let from = 0;
    while (bytes[from] === 0x0a || bytes[from] === 0x0d || bytes[from] === 0x20) from += 1;
    const sql = bytes.subarray(from);
    const head = sql.toString('latin1', 0, 200);
    if (insert.test(head)) await taker.statement(kind, sql);
    else if (!setting.test(head))
      throw damaged(`${JSON.stringify(head.slice(0, 80))} is no INSERT`, current.path);
  };

  return {
    file: (path: string): void => {
      files += 1;
      const name = path.startsWith('dump/') ? path.slice('dump/'.length) : undefined;
      if (files === 1 && path !== 'holdfast/definitions.jsonl') {
        throw damaged('a logical backup begins with its definitions', path);
      }
      current = { path, kind: name === undefined ? undefined : kindOf?.(name) };
      if (name !== undefined && current.kind === undefined)
        throw damaged('it is of no table of the backup', path);
      reader = makeStatementReader();
    },
    content: async (bytes: Buffer): Promise<void> => {
      if (inDefinitions()) return gather(bytes, largestDefinitions);
      const { kind } = current;
      if (kind?.kind !== 'rows') return;
      const ends: number[] = [];
      reader.push(bytes, (offset) => ends.push(offset));
      let from = 0;
      for (const end of ends) {
        gather(bytes.subarray(from, end), largestStatement);
        await statement(kind);
        from = end;
      }
      gather(bytes.subarray(from), largestStatement);
    },
    end: async (): Promise<void> => {
      if (inDefinitions()) {
        const definitions = decodeDefinitions(whole());
        const of = (kinds: string[]) => definitions.filter(({ kind }) => kinds.includes(kind));
        const tables = of(['table', 'sequence', 'view']).map(({ schema, name }) => ({ schema, table: name }));
        kindOf = makeFileNames(
          tables,
          of(['database']).map(({ name }) => name),
        );
        await taker.definitions(definitions);
        return;
      }
      whole();
      if (current.kind?.kind === 'rows' && !reader.complete()) {
        throw damaged('it ends within a statement', current.path);
      }
    },
    files: () => files,
  };
}

/** The same for the whole tar, in pieces that end anywhere. */
export function makeArchiveReader(taker: ArchiveTaker) {
  const reader = makeFileReader(taker);
  const tar = makeTarReader(reader);
  return { push: tar.push, end: tar.end, files: reader.files };
}
