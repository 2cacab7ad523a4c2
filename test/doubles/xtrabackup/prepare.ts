import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { withDelta } from './delta.ts';
import { type Misbehaviour, strike, type ToolFiles } from './misbehaviour.ts';
import { readKey, unpackAll } from './packed.ts';
import { splitRedo } from './redo.ts';
import { endWith, say } from './say.ts';

export type Call = {
  options: Map<string, string>;
  version: string;
  plan: Misbehaviour | undefined;
  files: ToolFiles;
};

function fail(text: string, code = 1): never {
  say(text, 'ERROR');
  return endWith(code);
}

/** --decompress and --decrypt of a directory. */
export function unpack({ options }: Call): void {
  const directory = options.get('target-dir') ?? './xtrabackup_backupfiles';
  if (!options.has('remove-original')) fail('the double removes what it has unpacked; say --remove-original');
  const keyFile = options.get('encrypt-key-file');
  if (options.has('decrypt')) {
    if (keyFile === undefined) fail('no encryption key or encryption key file was given.');
    if (!existsSync(keyFile)) fail(`unable to open '${keyFile}', errno 2: No such file or directory`);
    say(
      `decrypting ${unpackAll(directory, '.xbcrypt', readKey(keyFile, options.get('decrypt') ?? ''))} files`,
    );
  }
  if (options.has('decompress')) {
    say(`decompressing ${unpackAll(directory, '.zst') + unpackAll(directory, '.lz4')} files`);
  }
  say('completed OK!');
}

const numberIn = (text: string, name: string) => new RegExp(`^${name} = (\\d+)$`, 'm').exec(text)?.[1] ?? '';
const checkpointsOf = (text: string) => ({
  type: /^backup_type = (\S+)$/m.exec(text)?.[1],
  from: numberIn(text, 'from_lsn'),
  to: numberIn(text, 'to_lsn'),
});

/** Brings the base to where the increment ends: its changed pages, and its own files in place of the base's. */
function applyIncrement(directory: string, increment: string, base: ReturnType<typeof checkpointsOf>): void {
  const read = (name: string) => readFileSync(join(increment, name));
  const own = checkpointsOf(read('xtrabackup_checkpoints').toString());
  if (base.type !== 'log-applied')
    fail('the base was prepared without --apply-log-only; nothing fits on it any more');
  if (own.type !== 'incremental' || own.from !== base.to) {
    fail(
      `This incremental backup seems not to be proper for the target: it begins at ${own.from}, the target ends at ${base.to}`,
    );
  }
  const names = readdirSync(increment, { recursive: true, encoding: 'utf8' }).sort();
  const spaces = names
    .filter((name) => name.endsWith('.delta'))
    .map((name) => name.slice(0, -'.delta'.length));
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const old = name.endsWith('.ibd')
      ? !spaces.includes(name)
      : /^binlog\.|\.(?:MYD|MYI|CSV|CSM|sdi)$/.test(name);
    if (old) rmSync(join(directory, name));
  }
  for (const name of spaces) {
    const meta = read(`${name}.meta`).toString();
    const target = join(directory, name);
    const before = existsSync(target) ? readFileSync(target) : Buffer.alloc(0);
    const same = before.length > 0 && before.readUInt32BE(34) === Number(numberIn(meta, 'space_id'));
    mkdirSync(dirname(target), { recursive: true, mode: 0o750 });
    const size = Number(numberIn(meta, 'size'));
    writeFileSync(target, withDelta(same ? before : Buffer.alloc(0), read(`${name}.delta`), size), {
      mode: 0o640,
    });
  }
  const carried =
    /^(?:xtrabackup_(?:info|checkpoints|binlog_info|slave_info)|binlog\..*|ib_buffer_pool)$|\.(?:MYD|MYI|CSV|CSM|sdi)$/;
  for (const name of names.filter((file) => carried.test(file))) {
    mkdirSync(dirname(join(directory, name)), { recursive: true, mode: 0o750 });
    copyFileSync(join(increment, name), join(directory, name));
  }
}

/** --prepare: nothing is applied; the redo of the clone is put where the server applies it at its start. */
export function prepare({ options, plan, files }: Call): void {
  const directory = options.get('target-dir') ?? './xtrabackup_backupfiles';
  if (plan?.do === 'prepare-fails') {
    strike(files, `prepare fails with ${plan.code}`);
    fail(plan.says, plan.code);
  }
  const checkpoints = join(directory, 'xtrabackup_checkpoints');
  if (!existsSync(checkpoints)) fail(`cannot open ${checkpoints}`);
  const text = readFileSync(checkpoints, 'utf8');
  say(`cd to ${directory}`);
  if (!/^backup_type = (?:full-backuped|log-applied)$/m.test(text)) {
    fail('This target seems to be already prepared with --apply-log-only or is no full backup.');
  }
  const increment = options.get('prepare-incremental-from-dir') ?? options.get('incremental-dir');
  const redoOnly = options.has('apply-log-only') || options.has('apply-redo-only');
  if (increment !== undefined) applyIncrement(directory, increment, checkpointsOf(text));
  const redo = splitRedo(readFileSync(join(increment ?? directory, 'xtrabackup_logfile')));
  if (redo === undefined) fail('xtrabackup_logfile is corrupt: its end is missing');
  rmSync(join(directory, '#innodb_redo'), { recursive: true, force: true });
  for (const { path, bytes } of redo) {
    mkdirSync(dirname(join(directory, path)), { recursive: true, mode: 0o750 });
    writeFileSync(join(directory, path), bytes, { mode: 0o640 });
  }
  say('Allocated tablespace ID 10 for shop/orders, old maximum was 0', 'Warning');
  if (plan?.do === 'prepare-warns') {
    strike(files, 'prepare warns');
    say(plan.says, 'Warning');
  }
  const type = redoOnly ? 'log-applied' : 'full-prepared';
  writeFileSync(
    checkpoints,
    readFileSync(checkpoints, 'utf8').replace(/^backup_type = .*$/m, `backup_type = ${type}`),
  );
  say('starting shutdown with innodb_fast_shutdown = 1');
  say('completed OK!');
}
