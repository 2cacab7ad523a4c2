import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { beginArchiving, waitUntilArchived } from './archiving.ts';
import { backUpBySchedule, registerAll, restoreOnEmptyHost } from './backup-story.ts';
import { applicationAccount } from './data.ts';
import type { ExecutionEnd } from './follow-execution.ts';
import { startLocalServers } from './local-servers.ts';
import { lookAround } from './look-around.ts';
import { narrator } from './narrator.ts';
import { localPaths } from './paths.ts';
import { openRegistry, stopChildrenAtExit } from './processes.ts';
import { compareServers, factsOf } from './proof.ts';
import { replicationAccount } from './replication.ts';
import { scanForSecrets } from './scan/scan.ts';
import { watchProcesses } from './scan/watch-processes.ts';
import { startTarget } from './target.ts';
import { freePort } from './wait.ts';
import { startWriter } from './writer.ts';

/** `npm run demo -- <purpose> <megabytes>`: two targets of one checkout are told apart by their purpose. */
const [purpose = 'demo', megabytes = '200'] = process.argv.slice(2);

/** Bytes of tables and indexes that the demo loads, loses and brings back. */
const demoBytes = Number(megabytes) * 1e6;

type Restored = {
  directory: string;
  socket: string;
  position: { gtid: string };
  comparison: string;
  tables: number;
  rows: number;
  log: { timeline: string; from: string; until: { gtid: string }; segments: number };
  replay: { seconds: number };
};

function succeeded(what: string, end: ExecutionEnd): ExecutionEnd {
  if (end.status !== 'SUCCEEDED')
    throw new Error(`${what} ended as ${end.status}: ${end.error ?? ''}\n${end.cause ?? ''}`);
  return end;
}

const registry = openRegistry(localPaths(purpose).pids);
const orphans = await registry.stopOrphans();
stopChildrenAtExit(registry);
const { chapter, say, seconds } = narrator();
if (orphans.length > 0) say(`stopped what an earlier run left: ${orphans.join(', ')}`);

chapter('Deploy holdfast to the emulator');
const target = await startTarget({ purpose, registry, say });

chapter('Start a primary, its replica and an empty host; load data; let a writer run');
const servers = await startLocalServers({
  paths: target.paths,
  registry,
  hosts: target.hosts,
  bytes: demoBytes,
  say,
});
const writer = await startWriter({ socketPath: servers.primary.socket, ...applicationAccount }, 40);
say('the writer commits 40 transactions a second on the primary, through all that follows');
await registerAll(target, servers, say);

chapter('Back up: invoke the target of the schedule');
const watch = watchProcesses();
const archiving = beginArchiving(target, registry);
const backup = succeeded('Backup', await backUpBySchedule(target, say));
say(`recorded: ${JSON.stringify(backup.output)}`);

await archiving;
say('meanwhile the resident agents have come up, and the primary archives its log every two seconds');

chapter('Drop a table by mistake, and lose the primary a few seconds later');
const replica = await servers.replica.connect();
const facts = await factsOf(replica);
await replica.end();
const hand = await servers.primary.connect();
// What is asked for afterwards: the second before.
await sleep(1000 - (Date.now() % 1000));
const time = `${new Date().toISOString().slice(0, 19)}Z`;
await sleep(1000);
await hand.query('DROP TABLE shop.order_items');
const [rows] = await hand.query('SELECT @@last_gtid AS gtid');
const dropped = (rows as { gtid: string }[])[0]?.gtid ?? '';
say(
  `${new Date().toISOString()}: DROP TABLE shop.order_items (${dropped}), on the replica as well; the writer goes on`,
);
await waitUntilArchived(target, Number(dropped.split('-')[2]) + 20);
await servers.primary.kill();
const lost = await writer.ended;
rmSync(servers.primary.datadir, { recursive: true });
say(
  `${servers.primary.datadir} is gone; the writer had ${lost.commits} commits acknowledged, the last is ${lost.lastGtid}`,
);
const lostAt = seconds();

chapter(`Restore on the empty host, as it was at ${time}: the backup, then the archived log`);
const directory = join(target.hosts.empty.root, 'restored');
const restore = succeeded(
  'Restore',
  await restoreOnEmptyHost(target, { directory, port: await freePort(), time }, say),
);
const restored = restore.output as Restored;
say(
  `restored ${restored.tables} tables with ${restored.rows} rows, and replayed ${restored.log.segments} segments of the log from ${restored.log.from} to ${restored.log.until.gtid} in ${restored.replay.seconds} s: ${(seconds() - lostAt).toFixed(0)} s after the loss`,
);

chapter('Prove it, without asking holdfast');
const other = await createConnection({ socketPath: restored.socket, user: 'root', charset: 'utf8mb4' });
const comparisons = await compareServers({
  source: facts,
  restored: other,
  writer: lost,
  position: restored.position.gtid,
});
await other.end();
const byThen = lost.history.findLast(({ at }) => at <= Date.parse(time));
const sequence = (gtid: string) => Number(gtid.split('-')[2]);
const held = sequence(restored.position.gtid) >= sequence(byThen?.gtid ?? '');
comparisons.push({
  what: `the last commit acknowledged by ${time} (${byThen?.gtid}) is in it`,
  source: 'true',
  restored: String(held),
  equal: held,
});
for (const { what, source: was, restored: is, equal } of comparisons) {
  say(equal ? `equal: ${what}: ${is}` : `DIFFERENT: ${what}: was ${was}, is ${is}`);
}
const wrong = comparisons.filter((c) => !c.equal).length;
say(
  wrong === 0
    ? `all ${comparisons.length} comparisons are equal, the dropped table is there; by holdfast's own fingerprint the backup was restored ${restored.comparison} before the log went on to ${restored.position.gtid}`
    : `${wrong} of ${comparisons.length} comparisons DIFFER`,
);

chapter('Look for secrets where nobody should find one');
const passwords = [applicationAccount, replicationAccount].map(({ password }) => ({
  name: 'password of a database account' as const,
  value: password,
}));
const scan = await scanForSecrets(target, passwords, watch.stop());
for (const found of scan.found) say(`FOUND: ${found}`);
say(
  `${scan.secrets.length} passwords, credentials and identities of hosts looked for in ${scan.places.length} places: ${scan.found.length === 0 ? 'none is where it does not belong' : `${scan.found.length} are`}`,
);
say([...new Set(scan.places.map(({ kind }) => kind))].join(', '));

chapter('What is where, and how to look');
for (const line of await lookAround(target, { backup, restore, restored: directory })) say(line);
say(
  `log of cdk: ${target.cdkLog}; of the runners: ${readdirSync(join(target.hosts.replica.root, 'log')).length} files in ${join(target.hosts.replica.root, 'log')}`,
);

await registry.stopAll();
await target.stop();
console.log(
  `\ndone in ${seconds().toFixed(0)} s; everything is stopped. npm run local keeps it running to look around.`,
);
process.exit(wrong === 0 && scan.found.length === 0 ? 0 : 1);
