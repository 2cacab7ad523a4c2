import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createConnection } from 'mysql2/promise';
import { readDumperPlan } from './misbehaviour.ts';

/**
 * mydumper of either line as a child of the runner sees it: the options it takes and refuses, its lines on stderr, the
 * names of its files, its metadata, its exit code. The dump itself is the real 0.10's, over the server's own snapshots;
 * of 1.x (1.0.1-3, built from source) this was looked at: options, the line that says that all snapshots are open,
 * `<table>.00000.sql`, and metadata as an ini file.
 */
const { version, how } = readDumperPlan(process.argv[2] ?? '');
const args = process.argv.slice(3);
const common =
  /^--(?:defaults-file|socket|host|port|outputdir|threads|regex|chunk-filesize|verbose)=|^--(?:complete-insert|triggers|events|routines)$/;
const own = {
  '0.10.0': /^--(?:no-locks|tz-utc|less-locking|trx-consistency-only)$/,
  '1.0.1':
    /^--(?:server-version|sync-thread-lock-mode|default-character-set|optimize-keys-engines)=|^--(?:skip-ddl-locks|trx-tables)$/,
}[version];
const unknown = args.find((arg) => !common.test(arg) && !own.test(arg));
const option = (name: string) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
if (unknown !== undefined) {
  const said = `option parsing failed: Unknown option ${version === '0.10.0' ? unknown : unknown.split('=')[0]}, try --help\n`;
  if (version === '0.10.0') process.stdout.write(said);
  else process.stderr.write(`** (mydumper:1): CRITICAL **: 20:05:14.118: ${said}`);
  process.exit(1);
}

const target = option('outputdir')!;
const made = mkdtempSync(`${target}-double-`);
const real = spawn(
  '/usr/bin/mydumper',
  [
    ...args.filter((arg) => common.test(arg) && !arg.startsWith('--outputdir=')),
    '--no-locks',
    `--outputdir=${made}`,
  ],
  { stdio: ['ignore', 'inherit', 'pipe'] },
);
let opening: Promise<void> | undefined;
/** Where a server stands that does not know the question which 0.10 asks. */
let stands: { gtid: string; file: string; position: number } | undefined;
async function readPosition(): Promise<void> {
  const connection = await createConnection({ socketPath: option('socket')!, user: 'root' });
  const [rows] = await connection
    .query('SELECT LOCAL AS here FROM performance_schema.log_status')
    .catch(() => [[]]);
  const here = (
    rows as { here: { gtid_executed: string; binary_log_file: string; binary_log_position: number } }[]
  )[0]?.here;
  if (here !== undefined) {
    stands = { gtid: here.gtid_executed, file: here.binary_log_file, position: here.binary_log_position };
  }
  await connection.end();
}
createInterface({ input: real.stderr }).on('line', (line) => {
  if (version === '0.10.0') return void process.stderr.write(`${line}\n`);
  if (/Thread \d+ dumping/.test(line)) {
    // Nobody writes until this is said.
    opening ??= readPosition().then(() => {
      process.stderr.write('** Message: Transactions started, unlocking tables\n');
    });
  }
  process.stderr.write(`${line.replace(/Thread (\d+) /, 'Thread $1: ')}\n`);
});

/** What 0.10 wrote of its position, as 1.x writes it: of what a replica has applied it says nothing. */
function inOneDotX(text: string): string {
  const sections = text.split(/^(?=SHOW )/m);
  const field = (section: string, name: string) => new RegExp(`${name}:\\s*(.*)`).exec(section)?.[1] ?? '';
  const of = (section: string) =>
    section.startsWith('SHOW MASTER')
      ? `[source]\n# executed_gtid_set = "${field(section, 'GTID')}"\n# SOURCE_LOG_FILE = "${field(section, 'Log')}"\n# SOURCE_LOG_POS = ${field(section, 'Pos')}\n`
      : '';
  const asked =
    stands === undefined
      ? []
      : [
          `[source]\n# executed_gtid_set = "${stands.gtid}"\n# SOURCE_LOG_FILE = "${stands.file}"\n# SOURCE_LOG_POS = ${stands.position}\n`,
        ];
  const ends = text.includes('Finished') ? '# Finished dump at: 2026-11-25 19:03:17\n' : '';
  return `# Started dump at: 2026-11-25 19:03:16\n[config]\nquote-character = BACKTICK\n\n${[...asked, ...sections.slice(1).map(of)].join('\n')}\n${ends}`;
}

real.on('close', async (code) => {
  await opening;
  const rows = (table: string) => (name: string) =>
    new RegExp(`^${table.replaceAll('.', '\\.')}(?:\\.\\d{5})?\\.sql$`).test(name);
  for (const name of readdirSync(made)) {
    const path = join(made, name);
    if (how?.do === 'lose' && rows(how.table)(name)) continue;
    if (how?.do === 'undefined' && name === `${how.table}-schema.sql`) continue;
    if (how?.do === 'cut' && rows(how.table)(name)) {
      writeFileSync(path, readFileSync(path).subarray(0, -how.bytes));
    }
    if (name === 'metadata') {
      const text = readFileSync(path, 'utf8');
      const without = text.replace(/^SHOW [\s\S]*?(?=^Finished)/m, '');
      const said = how?.do === 'no-position' ? without : text;
      writeFileSync(path, version === '1.0.1' ? inOneDotX(said) : said);
      renameSync(path, join(target, how?.do === 'unfinished' ? 'metadata.partial' : 'metadata'));
      continue;
    }
    const data = version === '1.0.1' && !/-schema[a-z-]*\.sql$/.test(name);
    const as = data ? name.replace(/((?:\.\d{5})?)\.sql$/, '.00000$1.sql') : name;
    renameSync(path, join(target, as));
  }
  rmSync(made, { recursive: true, force: true });
  if (how?.do === 'fail') {
    process.stderr.write(
      '** (mydumper:1): CRITICAL **: Could not read data from shop.orders: Lost connection\n',
    );
    process.exit(how.code);
  }
  process.exit(code ?? 1);
});
