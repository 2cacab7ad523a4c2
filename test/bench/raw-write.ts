import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';

/** `node raw-write.ts <sample> <file> <bytes>`: writes database pages into one file and syncs it; writes the seconds. */
const [sample = '', file = '', bytes = '0'] = process.argv.slice(2);
const buffer = Buffer.alloc(8 * 1024 * 1024);
readSync(openSync(sample, 'r'), buffer, 0, buffer.length, 0);
const started = performance.now();
const target = openSync(file, 'wx');
for (let left = Number(bytes); left > 0; )
  left -= writeSync(target, buffer, 0, Math.min(left, buffer.length));
fsyncSync(target);
closeSync(target);
process.stdout.write(`${(performance.now() - started) / 1000}\n`);
