import { rmSync } from 'node:fs';
import { narrator } from '../../infra/local/narrator.ts';
import { localPaths } from '../../infra/local/paths.ts';
import { openRegistry, stopChildrenAtExit } from '../../infra/local/processes.ts';
import { archiving } from './archiving.ts';
import { backup } from './backup.ts';
import { controlPlane } from './control-plane.ts';
import { type Measure, tableLines } from './measure.ts';
import { memory } from './memory.ts';
import { replay, replayMysql } from './replay.ts';
import { restore } from './restore.ts';
import { installRivals } from './rivals.ts';
import { type Bench, makeStand } from './stand.ts';
import { streaming } from './streaming.ts';
import { tables } from './tables.ts';
import { zstd } from './zstd.ts';

/** `npm run bench [name]`: all benches, or one of them. Succeeds when every measure meets its target. */
const benches: readonly Bench[] = [
  streaming,
  zstd,
  memory,
  backup,
  restore,
  tables,
  archiving,
  replay,
  replayMysql,
  controlPlane,
];

const [wanted, ...more] = process.argv.slice(2);
const chosen = benches.filter((bench) => wanted === undefined || bench.name === wanted);
if (chosen.length === 0 || more.length > 0) {
  const names = benches.map(({ name, about }) => `  ${name.padEnd(14)} ${about}`);
  const wrong = more.length > 0 ? 'one name at most' : `there is no bench ${JSON.stringify(wanted)}`;
  console.error(`${wrong}; npm run bench [name] knows\n${names.join('\n')}`);
  process.exit(64);
}

const paths = localPaths('bench');
const registry = openRegistry(paths.pids);
await registry.stopOrphans();
stopChildrenAtExit(registry);
const { chapter, say } = narrator();
installRivals(say);
const stand = makeStand(paths, registry, say);
const measures: Measure[] = [];
for (const bench of chosen) {
  chapter(`${bench.name}: ${bench.about}`);
  const outcome = await bench.run(stand);
  console.log(`\n${tableLines(outcome.table).join('\n')}`);
  measures.push(...outcome.measures);
}
await registry.stopAll();
rmSync(paths.run, { recursive: true, force: true });

const summary = measures.map(({ name, value, unit, target, ok }) => [
  name,
  `${value}`,
  unit,
  target,
  ok ? 'ok' : 'FALLS SHORT',
]);
console.log(`\n${tableLines([['measure', 'value', 'unit', 'target', ''], ...summary]).join('\n')}\n`);
for (const measure of measures) console.log(JSON.stringify(measure));
process.exit(measures.every((measure) => measure.ok) ? 0 : 1);
