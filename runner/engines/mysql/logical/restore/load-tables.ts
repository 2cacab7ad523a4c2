import { rm } from 'node:fs/promises';
import { NamedError } from '../../../../../contract/errors/named-error.ts';
import type { Manifest } from '../../../../../contract/formats/manifest.ts';
import { type TableName, tableKey, tableText } from '../../../../../contract/mysql-files/relations.ts';
import type { RestoreTablesOrder } from '../../../../../contract/records/restore-tables.ts';
import type { EngineContext, StoredFiles } from '../../../engine.ts';
import { makeStaging } from '../../restore/unpack.ts';
import { quoteName } from '../../session.ts';
import type { Definition } from '../definition.ts';
import { makeFileNames } from '../dump-files.ts';
import { addIndexes } from './add-indexes.ts';
import { type Loaders, openLoaders } from './loaders.ts';
import { installServer, loadingConfig, withLoadingServer } from './new-server.ts';
import { makeFileReader } from './read-archive.ts';
import { beginDefining, runDefinition } from './run-definitions.ts';
import { splitIndexes } from './table-indexes.ts';

const definitionsPath = 'holdfast/definitions.jsonl';
const loadersAtOnce = 4;

/**
 * Which files of a dump bring some tables back: the definitions, and the files of their rows. Names of tables are the
 * manifest's, since a name alone does not tell where its schema ends.
 */
export function wantedOfDump(
  tables: readonly TableName[],
  { fingerprint }: Pick<Manifest, 'fingerprint'>,
): (path: string) => boolean {
  const schemas = [...new Set(fingerprint.tables.map(({ schema }) => schema))];
  const kindOf = makeFileNames(fingerprint.tables, schemas);
  const wanted = new Set(tables.map(tableKey));
  return (path) => {
    if (path === definitionsPath) return true;
    const kind = path.startsWith('dump/') ? kindOf(path.slice('dump/'.length)) : undefined;
    return kind?.kind === 'rows' && wanted.has(tableKey(kind));
  };
}

/** Definitions of the tables, of sequences that they take values from, and of the schemas of both. */
export function definitionsOf(
  tables: readonly TableName[],
  definitions: readonly Definition[],
): Definition[] {
  const wanted = new Set(tables.map(tableKey));
  const own = definitions.filter(
    ({ kind, schema, name }) => kind === 'table' && wanted.has(tableKey({ schema, table: name })),
  );
  const sequences = definitions.filter(
    ({ kind, schema, name }) =>
      kind === 'sequence' && own.some(({ sql }) => sql.includes(`(${quoteName(schema)}.${quoteName(name)})`)),
  );
  const schemas = new Set([...own, ...sequences].map(({ schema }) => schema));
  const databases = definitions.filter(({ kind, name }) => kind === 'database' && schemas.has(name));
  return [...databases, ...sequences, ...own];
}

/**
 * Makes a scratch instance that holds the wanted tables of a dump, those that the order names besides, and nothing else
 * of it: only their files are read, and the rows of a sequence, which are not wanted, are those of a new one.
 */
export async function loadTables(
  order: RestoreTablesOrder,
  stored: StoredFiles,
  context: EngineContext,
): Promise<{ bytes: number }> {
  const { directory } = order.target;
  const { manifest } = stored;
  await makeStaging(order.target);
  const flavour = manifest.flavour === 'mariadb' ? 'mariadb' : 'mysql';
  const set = [...order.tables, ...order.ancestors];
  const { files, bytes, pieces } = await stored.readFiles('main', () => wantedOfDump(set, manifest));
  if (!files.some(({ path }) => path === definitionsPath)) {
    throw new NamedError('Restore.StreamDamaged', `${definitionsPath} is missing`, { path: definitionsPath });
  }
  await installServer(order, manifest, context);
  await withLoadingServer(order, manifest, context, async (session, socket) => {
    let own: Definition[] = [];
    let loaders: Loaders | undefined;
    const reader = makeFileReader({
      definitions: async (definitions) => {
        own = definitionsOf(set, definitions);
        const made = new Set(own.map(({ schema, name }) => tableKey({ schema, table: name })));
        const absent = set.filter((table) => !made.has(tableKey(table)));
        if (absent.length > 0) {
          const names = absent.map(tableText).join(', ');
          throw new NamedError('Restore.StreamDamaged', `the definition of ${names} is missing`, { names });
        }
        await beginDefining(session);
        for (const definition of own) {
          const sql = definition.kind === 'table' ? splitIndexes(definition).create : definition.sql;
          await runDefinition(session, { ...definition, sql });
        }
        loaders = await openLoaders(socket, loadersAtOnce, flavour, context.signal);
      },
      statement: ({ schema }, sql) => loaders!.load(schema, sql, () => {}),
    });
    try {
      let done = 0;
      let current: string | undefined;
      for await (const { path, bytes: piece, last } of pieces) {
        context.signal.throwIfAborted();
        if (path !== current) reader.file(path);
        current = path;
        await reader.content(piece);
        if (last) await reader.end();
        done += piece.length;
        context.progress('reading the tables', done, bytes);
      }
      await loaders?.finish();
    } finally {
      await loaders?.close();
    }
    await addIndexes(own, socket, context);
  });
  await rm(loadingConfig(directory), { force: true });
  return { bytes };
}
