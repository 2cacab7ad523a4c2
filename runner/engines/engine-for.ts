import { NamedError } from '../../contract/errors/named-error.ts';
import type { Order } from '../../contract/records/job.ts';
import type { Engine } from './engine.ts';
import { type MysqlEngineOptions, makeMysqlEngine } from './mysql/engine.ts';

/** Every engine of this runner; each gets the parts that it needs of this host. */
export const makeEngines = (parts: MysqlEngineOptions): { mysql: Engine } => ({
  mysql: makeMysqlEngine(parts),
});

/** Picks the engine an order is for. */
export function makeEngineFor({ mysql }: ReturnType<typeof makeEngines>): (order: Order) => Engine {
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
