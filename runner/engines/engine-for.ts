import { NamedError } from '../../contract/errors/named-error.ts';
import type { Order } from '../../contract/records/job.ts';
import type { Engine } from './engine.ts';
import { type MysqlEngineOptions, makeMysqlEngine } from './mysql/engine.ts';

/** Picks the engine an order is for; each gets the parts that it needs of this host. */
export function makeEngineFor(parts: MysqlEngineOptions): (order: Order) => Engine {
  const mysql = makeMysqlEngine(parts);
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
