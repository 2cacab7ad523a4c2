import { once } from 'node:events';
import { readSync } from 'node:fs';
import { request } from 'node:http';
import { crc32 } from 'node:zlib';

/**
 * `node least-upload.ts <url>`: sends its stdin as one object with one CRC32 over it, from a single buffer: about as
 * little as a program of Node's can do with a stream that must arrive whole. No index, no retry, no memory of anything.
 */
const [url = ''] = process.argv.slice(2);
const put = request(url, { method: 'PUT' });
const answered = once(put, 'response');
const buffer = Buffer.allocUnsafeSlow(256 * 1024);
let crc = 0;
for (let bytes = readSync(0, buffer); bytes > 0; bytes = readSync(0, buffer)) {
  const part = buffer.subarray(0, bytes);
  crc = crc32(part, crc);
  // What is given to the socket is sent before the next read, so that the buffer can be used again.
  await new Promise((sent) => put.write(part, sent));
}
put.end();
const [answer] = await answered;
answer.resume();
process.stdout.write(`${crc}\n`);
