import { reportSeconds } from '../../../contract/records/agent.ts';
import { prices } from './prices.ts';

/** Reconcile's passes of a day. */
const passes = 720;
const daySeconds = 86_400;
/** An agent's row has up to 3 KB: its orders, and what it says of two servers. */
const rowUnits = 3;
/** Of a timeline that goes on for a month: a row of 1.3 KB for each day, read with the record and by the look for strangers. */
const rangeReads = 2 * Math.ceil((30 * 1.3) / 4);

/** One line of what archiving asks for in a day. */
export type ArchivingItem = { what: string; count: number; each: number; how: string };

/**
 * What the archive of one cluster of two members asks for in a day, reckoned by what the code does for each segment,
 * report and pass, with a log that is written to all the time.
 */
export function archivingOf(intervalSeconds: number): ArchivingItem[] {
  const segments = daySeconds / intervalSeconds;
  const reports = Math.max(daySeconds / reportSeconds, segments);
  const idle = daySeconds / reportSeconds;
  const moved = Math.min(passes, segments);
  return [
    {
      what: 'S3, puts',
      count: segments + 1,
      each: prices.s3Put,
      how: 'each segment once, and a receipt for the day',
    },
    {
      what: 'S3, gets and heads',
      count: 2 * segments,
      each: prices.s3Get,
      how: 'Reconcile looks at each segment once: its checksum and its head',
    },
    {
      what: 'S3, lists',
      count: passes * (3 + 3 * Math.ceil(segments / 1000)),
      each: prices.s3Put,
      how: 'in each pass folders, and three days for segments of strangers; of more than 700 clusters in every seventh pass',
    },
    {
      what: 'DynamoDB, write units',
      count: (reports + idle + moved) * rowUnits + segments + moved * 2 + passes * 2,
      each: prices.dynamoWriteUnit,
      how: 'reports of both agents and orders, 3 units each; each segment 1; in each pass the day and the archive, 2 each',
    },
    {
      what: 'DynamoDB, read units',
      count: passes * (2 + 1 + rangeReads),
      each: prices.dynamoReadUnit,
      how: 'in each pass two agents, the archive, the days of a month twice',
    },
  ];
}

export const dayOf = (items: readonly ArchivingItem[]) =>
  items.reduce((sum, { count, each }) => sum + count * each, 0);
