import { createReadStream } from 'node:fs';
import { type MysqlGtidSet, mysqlGtidHas } from '../../../../contract/positions/mysql-gtid.ts';
import { makeBinlogParser } from '../binlog/parser.ts';

/**
 * Offset of the first transaction of a log file of MySQL that the set lacks; undefined where it has all of them. What
 * is before it would skip itself, but for definitions that are parsed all the same, and a file may have a gigabyte.
 */
export async function firstLacking(path: string, has: MysqlGtidSet): Promise<number | undefined> {
  let found: number | undefined;
  const parser = makeBinlogParser(
    { from: 0, flavour: 'mysql' },
    {
      transaction: ({ gtid, at }) => {
        if (mysqlGtidHas(has, gtid)) return undefined;
        found = at;
        return 'stop';
      },
    },
  );
  for await (const bytes of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    parser.push(bytes as Buffer);
    if (found !== undefined) break;
  }
  return found;
}
