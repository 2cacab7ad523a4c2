import { spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { writePages } from './pages.ts';

/**
 * Stands in for `mariadb-backup --backup` on the PATH of a measured runner: `node mariadb-backup.ts <ToolOrder> <arguments>`.
 * A backup begins with `pages` bytes of a sample and goes on with the real tool's own stream. What it
 * cost goes into a file, to be taken off what the runner and its children cost. (`prepared`: where the script that calls
 * it notes when a prepare began, which is the end of a measured restore.)
 */
export type ToolOrder = { real: string; sample: string; pages: number; usage: string; prepared: string };

const [order = '', ...args] = process.argv.slice(2);
const { real, sample, pages, usage } = JSON.parse(order) as ToolOrder;

/** Own time, and that of the real tool: fields 16 and 17 of /proc/self/stat, in hundredths of a second. */
function seconds(): number {
  const { user, system } = process.cpuUsage();
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (user + system) / 1e6 + (Number(fields[13]) + Number(fields[14])) / 100;
}

function run(): number {
  if (pages > 0) writePages(1, sample, pages);
  return spawnSync(real, args, { stdio: 'inherit' }).status ?? 1;
}

const code = run();
appendFileSync(usage, `${seconds()}\n`);
process.exit(code);
