import { NamedError } from '../../contract/errors/named-error.ts';
import type { Order } from '../../contract/records/job.ts';
import type { Engine } from './engine.ts';
import { makeMysqlEngine } from './mysql/engine.ts';

/** Picks the engine an order is for. `stateDirectory` outlives jobs and reboots: notes of what to undo lie there. */
export function makeEngineFor(stateDirectory: string): (order: Order) => Engine {
  const mysql = makeMysqlEngine({ stateDirectory });
  return ({ engine, flavour }) => {
    if (engine === 'mysql') return mysql;
    throw new NamedError(
      'Runner.VersionUnsupported',
      `this runner has no engine for ${engine} (${flavour})`,
      {
        engine,
        flavour,
      },
    );
  };
}
