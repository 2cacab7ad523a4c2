import { NamedError } from '../../../../../contract/errors/named-error.ts';
import type { EngineContext } from '../../../engine.ts';
import { openSession } from '../../session.ts';
import type { Definition } from '../definition.ts';
import { beginDefining } from './run-definitions.ts';
import { splitIndexes } from './table-indexes.ts';

/** Tables whose indexes are sorted at once. */
const tablesAtOnce = 2;
const indexSeconds = 4 * 3600;

/** Adds the indexes and foreign keys that tables were made without, a few tables at once. */
export async function addIndexes(
  definitions: readonly Definition[],
  socket: string,
  context: EngineContext,
): Promise<void> {
  const due = definitions.flatMap((definition) => {
    const { add } = splitIndexes(definition);
    return definition.kind === 'table' && add !== undefined ? [{ ...definition, sql: add }] : [];
  });
  const all = due.length;
  const work = async () => {
    const login = { user: 'root', password: undefined, address: { socket } };
    const session = await openSession(login, context.signal);
    try {
      await beginDefining(session);
      for (let next = due.shift(); next !== undefined; next = due.shift()) {
        await session.run(next.sql, [], indexSeconds).catch((error: Error) => {
          throw new NamedError(
            'Restore.PrepareFailed',
            `indexes of ${next?.schema}.${next?.name}: ${error.message}`,
            { table: `${next?.schema}.${next?.name}` },
            { cause: error },
          );
        });
        context.progress(`adding indexes: ${all - due.length} of ${all} tables`);
      }
    } finally {
      await session.close();
    }
  };
  const done = await Promise.allSettled(Array.from({ length: tablesAtOnce }, work));
  const failed = done.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
