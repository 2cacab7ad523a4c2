import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
    say(`decrypting ${unpackAll(directory, '.xbcrypt', readKey(keyFile))} files`);
  }
  if (options.has('decompress')) {
    say(`decompressing ${unpackAll(directory, '.zst') + unpackAll(directory, '.lz4')} files`);
  }
  say('completed OK!');
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
  const redo = splitRedo(readFileSync(join(directory, 'xtrabackup_logfile')));
  if (redo === undefined) fail('xtrabackup_logfile is corrupt: its end is missing');
  for (const { path, bytes } of redo) {
    mkdirSync(dirname(join(directory, path)), { recursive: true, mode: 0o750 });
    writeFileSync(join(directory, path), bytes, { mode: 0o640 });
  }
  say('Allocated tablespace ID 10 for shop/orders, old maximum was 0', 'Warning');
  if (plan?.do === 'prepare-warns') {
    strike(files, 'prepare warns');
    say(plan.says, 'Warning');
  }
  const redoOnly = options.has('apply-log-only') || options.has('apply-redo-only');
  const type = redoOnly ? 'log-applied' : 'full-prepared';
  writeFileSync(checkpoints, text.replace(/^backup_type = .*$/m, `backup_type = ${type}`));
  say('starting shutdown with innodb_fast_shutdown = 1');
  say('completed OK!');
}
