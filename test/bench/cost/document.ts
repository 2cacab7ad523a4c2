import { archivingOf, dayOf } from './archiving.ts';
import type { Counts } from './counts.ts';
import { prices } from './prices.ts';

/** One line of the bill of a backup: how many, at what price each. */
type Item = { what: string; count: number; each: number };

/** A job row with its order has up to 3 KB, and most writes are of job rows: three units each. */
const unitsOfWrite = 3;

const writes = ['PutItem', 'UpdateItem', 'DeleteItem'];
const reads = ['GetItem', 'Query', 'Scan'];
const puts = ['PutObject', 'ListObjects', 'CopyObject'];

/** The bill of one backup of one volume. What is not listed costs nothing: STS, Run Command, standard parameters, callbacks. */
export function billOf(counts: Counts): Item[] {
  const asked = (service: string, actions: readonly string[]) =>
    actions.reduce((sum, action) => sum + (counts.requests[`${service}:${action}`] ?? 0), 0);
  const invocations = Object.values(counts.invocations).reduce((sum, n) => sum + n, 0);
  const writeUnits = asked('dynamodb', writes) * unitsOfWrite + counts.transactedItems * 2 * unitsOfWrite;
  return [
    {
      what: 'Step Functions, state transitions',
      count: counts.transitions.backup + counts.transitions.fleet,
      each: prices.stateTransition,
    },
    { what: 'Lambda, invocations', count: invocations, each: prices.lambdaRequest },
    { what: 'Lambda, GB-s', count: counts.lambdaGBSeconds, each: prices.lambdaGBSecond },
    { what: 'DynamoDB, write units', count: writeUnits, each: prices.dynamoWriteUnit },
    { what: 'DynamoDB, read units', count: asked('dynamodb', reads), each: prices.dynamoReadUnit },
    {
      what: 'S3, puts and lists besides volumes',
      count: asked('s3', puts) - counts.volumePuts,
      each: prices.s3Put,
    },
    { what: 'S3, gets and heads', count: asked('s3', ['GetObject', 'HeadObject']), each: prices.s3Get },
    { what: 'EventBridge, events', count: asked('events', ['PutEvents']), each: prices.event },
    { what: 'SNS, messages', count: asked('sns', ['Publish']), each: prices.notification },
    {
      what: 'CloudWatch, puts of metrics',
      count: asked('monitoring', ['PutMetricData']),
      each: prices.metricsPut,
    },
    {
      what: 'KMS, requests',
      count: asked('kms', ['GenerateDataKey', 'Decrypt', 'Encrypt']),
      each: prices.keyRequest,
    },
  ];
}

/** Seconds between segments: the default, and the shortest. */
const intervals = [60, 10, 2];

const dollars = (value: number) => value.toFixed(value < 0.1 ? 4 : 2);
const plain = (value: number) => String(Number(value.toFixed(2)));

/** Costs of volumes for 1,000 backups of a database with that much stream: 32 MiB each, half of it after zstd. */
const volumesOf = (gib: number) => Math.ceil((gib * 1024 * 0.5) / 32);

/**
 * What Reconcile's looks at a fleet cost in 30 days, reckoned: 720 passes a day, each over up to 100 clusters or a
 * seventh of the fleet; of each it lists the backups three times (records of 1 KB, strong reads) and the objects twice.
 */
function looksOf(clusters: number, backupsOfEach: number): number {
  const lookedAt = Math.max(Math.min(clusters, 100), clusters / 7);
  const each = 3 * Math.ceil(backupsOfEach / 4) * prices.dynamoReadUnit + 2 * prices.s3Put;
  return 30 * 720 * lookedAt * each;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join(
    '\n',
  );
}

/** docs/cost.md: what the recorded counts cost. */
export function costDocument(counts: Counts): string {
  const bill = billOf(counts);
  const total = bill.reduce((sum, { count, each }) => sum + count * each, 0);
  return `# What a backup costs

The control plane's part of one backup, counted while a real one was taken on the local target: state transitions and calls of functions from the execution history, requests from the emulator's log of API calls. \`npm run bench control-plane\` counts again and fails when the counts no longer hold; this page is made from \`test/bench/cost/recorded.json\`, and a test compares the two.

Prices are list prices of ${prices.region} as of ${prices.asOf}, written down from memory and not fetched: check them before you rely on a sum. Free tiers are left out.

## 1,000 backups

A Backup execution has ${counts.transitions.backup} state transitions, and its cluster's part of the run of the schedule ${counts.transitions.fleet}.

${table(
  ['what', 'one backup', 'US$ for 1,000'],
  [
    ...bill.map(({ what, count, each }) => [what, plain(count), dollars(count * each * 1000)]),
    ['sum', '', dollars(total * 1000)],
  ],
)}

- A write of DynamoDB is taken as ${unitsOfWrite} units (a job row with its order has up to 3 KB), an item in a transaction as twice that; a read as one unit.
- Lambda's seconds are those of the local target, cold starts among them, at each function's memory; they are not those of AWS.
- The runner beats into its row every 5 seconds in its first minute and every 30 afterwards: an hour more is 120 writes, US$ ${dollars(120 * unitsOfWrite * prices.dynamoWriteUnit * 1000)} for 1,000 backups.
- Keys: the buckets have bucket keys, so S3 asks KMS once in a while and not for each object; the few requests are left out.
- Run Command on EC2, calls of STS, callbacks to Step Functions and standard parameters cost nothing. Managed nodes outside EC2 beyond 1,000 in an account and region do.
- Reconcile runs every two minutes whatever is backed up, and logs, alarms, dashboard, keys and storage are billed by their own measure: none of them is in this table. What Reconcile reads is the largest of them; reckoned and not counted, with a year of nightly backups of each cluster, US$ ${looksOf(10, 365).toFixed(0)} a month for 10 clusters, ${looksOf(100, 365).toFixed(0)} for 100 to 700, ${looksOf(5000, 365).toFixed(0)} for 5,000.

## Volumes

Each volume is one put. With 32 MiB and data that zstd halves, 1,000 backups need:

${table(
  ['stream of one backup', 'volumes', 'US$ for 1,000'],
  [1, 10, 64].map((gib) => [
    `${gib} GiB`,
    String(volumesOf(gib)),
    dollars(volumesOf(gib) * prices.s3Put * 1000),
  ]),
)}

## Archiving the log

What the archive of one cluster of two members asks for in a day, reckoned and not counted, where its log is written to all the time (an idle log has no segments):

${table(
  ['what', ...intervals.map((seconds) => `every ${seconds} s`), 'why'],
  archivingOf(60).map(({ what, how }, i) => [
    what,
    ...intervals.map((seconds) => String(Math.round(archivingOf(seconds)[i]!.count))),
    how,
  ]),
)}

That is ${intervals.map((seconds) => `US$ ${dollars(30 * dayOf(archivingOf(seconds)))} a month at an interval of ${seconds} s`).join(', ')}, beside what is stored. Functions are not called for it: Reconcile's passes run anyway. A log of more than 16 MiB in an interval has a segment for each 16 MiB. A restore to a point reads each segment that it needs once, and asks for its head before.

## Requests

What one backup of one small volume asked for, control plane and host together:

${table(
  ['request', 'times'],
  Object.entries(counts.requests).map(([name, times]) => [`\`${name}\``, String(times)]),
)}

${table(
  ['function', 'invocations'],
  Object.entries(counts.invocations).map(([name, times]) => [`\`${name}\``, String(times)]),
)}
`;
}
