import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { endWith, say } from './say.ts';

/** What the tool does to each file on its way: real zstd; for LZ4 and its own encryption containers of the double's. */
const lz4 = Buffer.from('LZ4OFTHEDOUBLE');
const crypt = Buffer.from('XBCRYPOFTHEDOUBLE');

export type Packing = { compress?: string; key?: Buffer };

/** All bytes of the file are the key, a line break at its end too. */
export function readKey(file: string, algorithm: string): Buffer {
  const key = readFileSync(file);
  const wanted = Number(/\d+$/.exec(algorithm)?.[0]) / 8;
  if (key.length !== wanted) {
    say(`encryption key length ${key.length} is not ${wanted}, which ${algorithm} needs`, 'ERROR');
    endWith(1);
  }
  return createHash('sha256').update(key).digest();
}

export function pack(path: string, bytes: Buffer, { compress, key }: Packing): [string, Buffer] {
  let [name, content] = [path, bytes];
  if (compress === 'zstd') [name, content] = [`${name}.zst`, zstdCompressSync(content)];
  if (compress === 'lz4') [name, content] = [`${name}.lz4`, Buffer.concat([lz4, content])];
  if (key !== undefined) {
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-256-ctr', key, iv);
    [name, content] = [`${name}.xbcrypt`, Buffer.concat([crypt, iv, cipher.update(content), cipher.final()])];
  }
  return [name, content];
}

/** Undoes one of the two for all files below a directory; the packed ones are removed. Says how many there were. */
export function unpackAll(directory: string, suffix: '.zst' | '.lz4' | '.xbcrypt', key?: Buffer): number {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((n) =>
    n.endsWith(suffix),
  );
  for (const name of names) {
    const packed = readFileSync(join(directory, name));
    let bytes: Buffer;
    if (suffix === '.zst') bytes = zstdDecompressSync(packed);
    else if (suffix === '.lz4') bytes = packed.subarray(lz4.length);
    else {
      const body = packed.subarray(crypt.length);
      const decipher = createDecipheriv('aes-256-ctr', key ?? Buffer.alloc(32), body.subarray(0, 16));
      bytes = Buffer.concat([decipher.update(body.subarray(16)), decipher.final()]);
    }
    writeFileSync(join(directory, name.slice(0, -suffix.length)), bytes, { mode: 0o640 });
    rmSync(join(directory, name));
  }
  return names.length;
}
