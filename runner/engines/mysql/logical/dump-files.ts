/** A table as the server has it. */
export type TableRef = { schema: string; table: string };

/** What one file of a dump is. `rows` are INSERTs; the others define something. */
export type DumpFile =
  | ({ kind: 'rows' } & TableRef)
  | ({ kind: 'definition' } & TableRef)
  | { kind: 'schema'; schema: string }
  | { kind: 'metadata' };

/** The two lines of mydumper: 0.10 names files as the tables are named, 1.x puts numbers in place of odd names. */
export type DumperLine = '0.10' | '1.x';

const stemOf = ({ schema, table }: TableRef) => `${schema}.${table}`;
const definitionSuffixes = ['-schema', '-schema-view', '-schema-triggers'];
const schemaSuffixes = ['-schema-create', '-schema-post', '-schema-triggers'];

/** A file's name has 255 bytes at most, and the longest suffix of ours is `-schema-triggers.sql`. */
const longestStem = 230;

/**
 * Tells what each file of a dump is, by the tables and schemas that the server has; undefined for a file that belongs to
 * none. Names hold dots and hyphens of their own, so nothing is guessed: every possible name is known beforehand.
 */
export function makeFileNames(tables: readonly TableRef[], schemas: readonly string[]) {
  const fixed = new Map<string, DumpFile>([['metadata', { kind: 'metadata' }]]);
  const stems = new Map<string, TableRef>();
  for (const schema of schemas) {
    for (const suffix of schemaSuffixes) fixed.set(`${schema}${suffix}.sql`, { kind: 'schema', schema });
  }
  for (const { schema, table } of tables) {
    const stem = stemOf({ schema, table });
    stems.set(stem, { schema, table });
    for (const suffix of definitionSuffixes) {
      fixed.set(`${stem}${suffix}.sql`, { kind: 'definition', schema, table });
    }
  }
  return (file: string): DumpFile | undefined => {
    const known = fixed.get(file);
    if (known !== undefined) return known;
    const [, stem] = /^(.*?)(?:\.\d{5}){0,2}\.sql$/s.exec(file) ?? [];
    const table = stem === undefined ? undefined : stems.get(stem);
    return table && { kind: 'rows', ...table };
  };
}

/** What 1.x leaves as it is (`check_filename_regex` of its source); other names become numbers. */
const plainIn1 = /^(?!mydumper_)[A-Za-z0-9_ -]+$/;
/** With these 0.10 puts together statements or paths that are none; it ends with code 1 (measured). */
const breaks010 = /[/`'\\\p{Cc}]/u;

function oddName(name: string, line: DumperLine): string | undefined {
  if (line === '1.x') {
    return plainIn1.test(name)
      ? undefined
      : `${JSON.stringify(name)} has characters beyond A-Z a-z 0-9 _ - and space, or begins with mydumper_`;
  }
  const [found] = breaks010.exec(name) ?? [];
  return found && `${JSON.stringify(name)} has a ${JSON.stringify(found)}`;
}

/**
 * Names with which this line of mydumper makes files that it cannot write or that cannot be told apart; a sentence each.
 */
export function namesRefused(
  tables: readonly TableRef[],
  schemas: readonly string[],
  line: DumperLine,
): string[] {
  const reasons: string[] = [];
  const odd = new Set([...schemas, ...tables.map((t) => t.table)].map((name) => oddName(name, line)));
  odd.delete(undefined);
  for (const reason of odd) reasons.push(`the name ${reason}, which mydumper ${line} does not take`);
  const owners = new Map<string, string>();
  const claim = (file: string, owner: string) => {
    const other = owners.get(file.toLowerCase());
    if (other === undefined) owners.set(file.toLowerCase(), owner);
    else if (other !== owner) reasons.push(`mydumper writes ${owner} and ${other} into one file, ${file}`);
  };
  for (const schema of schemas) for (const s of schemaSuffixes) claim(`${schema}${s}`, `schema ${schema}`);
  for (const table of tables) {
    const stem = stemOf(table);
    const owner = `table ${JSON.stringify([table.schema, table.table])}`;
    for (const suffix of ['', ...definitionSuffixes]) claim(`${stem}${suffix}`, owner);
    if (/\.\d{5}$/.test(table.table))
      reasons.push(`${owner} has a name that ends like a piece of another table`);
    if (Buffer.byteLength(stem) > longestStem) reasons.push(`${owner} has a name too long for a file`);
  }
  return reasons;
}
