import { readFileSync } from 'node:fs';
import { readPlan, strike, type ToolFiles } from './misbehaviour.ts';
import { readOptions } from './options.ts';
import { endWith, say } from './say.ts';

/**
 * XtraBackup as a child of the runner sees it: arguments that it takes and refuses, by the table of options of its line;
 * its lines on stderr; the server's real locks; an xbstream of a real, consistent copy (the server's own clone); its
 * metadata files, also in --extra-lsndir; packing and unpacking; exit codes. Its prepare applies nothing: it puts the
 * clone's redo where the server finds it. It misbehaves as its plan says, and reports where it does.
 */
const files = JSON.parse(process.argv[2] ?? '') as ToolFiles;
const args = process.argv.slice(3);
const version = readFileSync(files.version, 'utf8').trim();
strike(files, `called ${JSON.stringify(args)}`);
const read = readOptions(args, version);
if ('error' in read) {
  process.stderr.write(`xtrabackup: [ERROR] ${read.error}\n`);
  endWith(255);
} else {
  const { options, warnings } = read;
  for (const warning of warnings) say(warning, 'Warning');
  const shown = args.map((arg) => arg.replace(/^(--(?:password|encrypt-key|transition-key))=.*/, '$1=*'));
  say(`recognized client arguments: ${shown.join(' ')}`);
  process.stderr.write(
    `xtrabackup version ${version} based on MySQL server ${version.split('-')[0]} Linux (x86_64)\n`,
  );
  const plan = readPlan(files);
  const call = { options, version, plan, files };
  if (options.has('backup')) await (await import('./backup.ts')).backup(call);
  else if (options.has('prepare')) (await import('./prepare.ts')).prepare(call);
  else if (options.has('decompress') || options.has('decrypt')) (await import('./prepare.ts')).unpack(call);
  else {
    process.stderr.write('Open source backup tool for InnoDB and XtraDB\n');
    endWith(1);
  }
}
