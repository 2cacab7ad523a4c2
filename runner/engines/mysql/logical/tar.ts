import { NamedError } from '../../../../contract/errors/named-error.ts';

/**
 * The part of tar (POSIX.1-2017, pax; ustar headers) that a logical backup needs: plain files, with an extended header
 * where a path is long or not ASCII. Any tar reads it.
 */
const block = 512;
/** The size field has 11 octal digits. */
const largestSize = 8 ** 11 - 1;
/** An extended header of ours has one path and no more; a server's name has 255 bytes at most. */
const largestExtension = 64 * 1024;

/** Bytes that fill a file's last block. */
export const paddingOf = (size: number): number => (block - (size % block)) % block;

/** Two blocks of zeros end an archive. */
export const tarEnd = (): Buffer => Buffer.alloc(2 * block);

function header(name: Buffer, size: number, kind: '0' | 'x'): Buffer {
  const bytes = Buffer.alloc(block);
  name.copy(bytes, 0, 0, 100);
  bytes.write('0000600\0', 100, 'latin1');
  bytes.write('0000000\0', 108, 'latin1');
  bytes.write('0000000\0', 116, 'latin1');
  bytes.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  bytes.write('00000000000\0', 136, 'latin1');
  bytes.write('        ', 148, 'latin1');
  bytes.write(kind, 156, 'latin1');
  bytes.write('ustar\x0000', 257, 'latin1');
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

/** `<length> path=<path>\n`, where the length counts itself. */
function pathRecord(path: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(' path='), path, Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** What stands before a file's content. `path` is relative, with `/` between its parts. */
export function tarHeader(path: string, size: number): Buffer {
  if (size > largestSize) throw new Error(`${path} has ${size} bytes; a tar of ours takes ${largestSize}`);
  const name = Buffer.from(path);
  if (name.length <= 100 && name.every((byte) => byte >= 0x20 && byte < 0x7f)) return header(name, size, '0');
  const record = pathRecord(name);
  return Buffer.concat([
    header(Buffer.from('pax'), record.length, 'x'),
    record,
    Buffer.alloc(paddingOf(record.length)),
    header(Buffer.from('long'), size, '0'),
  ]);
}

/** What a reader of a tar is told, in the order of the archive. */
export type TarEvents = {
  file: (path: string, size: number) => void | Promise<void>;
  content: (bytes: Buffer) => void | Promise<void>;
  /** All bytes of the file that began last have come. */
  end: () => void | Promise<void>;
};

const damaged = (what: string) =>
  new NamedError('Restore.StreamDamaged', `the tar stream is broken: ${what}`);

function octal(bytes: Buffer, from: number, length: number): number {
  const text = bytes.toString('latin1', from, from + length).replace(/[\0 ]+$/, '');
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
}

function readHeader(bytes: Buffer): { name: string; size: number; kind: string } {
  const sum = bytes.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  if (octal(bytes, 148, 8) !== sum) throw damaged('a header has another sum than it says');
  const size = octal(bytes, 124, 12);
  if (Number.isNaN(size)) throw damaged('a header has no size');
  const nameEnd = bytes.subarray(0, 100).indexOf(0);
  const name = bytes.toString('utf8', 0, nameEnd < 0 ? 100 : nameEnd);
  return { name, size, kind: String.fromCharCode(bytes[156]!) };
}

/** The path in an extended header's records; whatever else it says is passed over. */
function pathIn(records: Buffer): string | undefined {
  for (let at = 0; at < records.length; ) {
    const space = records.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(records.toString('latin1', at, space));
    if (!Number.isInteger(length) || length < 5 || at + length > records.length) {
      throw damaged('an extended header has a record without a length');
    }
    const record = records.toString('utf8', space + 1, at + length - 1);
    if (record.startsWith('path=')) return record.slice('path='.length);
    at += length;
  }
  return undefined;
}

/** A path that stays below where it is written, as those of ours do. */
export const isPlainPath = (path: string): boolean =>
  path !== '' &&
  !path.startsWith('/') &&
  !path.includes('\0') &&
  path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

/**
 * Reads a tar as it comes, in pieces that end anywhere. Plain files only: a backup of ours holds nothing else, so a link
 * or a device is somebody's making. `push` resolves when what the bytes held is dealt with; `end` refuses an archive
 * that stops early.
 */
export function makeTarReader(events: TarEvents) {
  let wanted = block;
  let gathered: Buffer[] = [];
  let have = 0;
  let state: 'header' | 'extension' | 'content' | 'padding' | 'ended' = 'header';
  let left = 0;
  let padding = 0;
  let extendedPath: string | undefined;

  /** The next `wanted` bytes as one piece, once they are there. */
  const gather = (bytes: Buffer): { whole: Buffer | undefined; rest: Buffer } => {
    const take = Math.min(wanted - have, bytes.length);
    gathered.push(Buffer.from(bytes.subarray(0, take)));
    have += take;
    if (have < wanted) return { whole: undefined, rest: bytes.subarray(take) };
    const whole = Buffer.concat(gathered);
    gathered = [];
    have = 0;
    return { whole, rest: bytes.subarray(take) };
  };
  const expect = (next: typeof state, bytes: number) => {
    state = next;
    wanted = bytes;
  };

  const onHeader = async (bytes: Buffer) => {
    if (bytes.every((byte) => byte === 0)) {
      state = 'ended';
      return;
    }
    const { name, size, kind } = readHeader(bytes);
    if (kind === 'x') {
      if (size > largestExtension) throw damaged(`an extended header of ${size} bytes`);
      expect('extension', size + paddingOf(size));
      left = size;
      return;
    }
    if (kind !== '0' && kind !== '\0') throw damaged(`${name} is no plain file (type ${kind})`);
    const path = extendedPath ?? name;
    extendedPath = undefined;
    if (!isPlainPath(path)) throw damaged(`${JSON.stringify(path)} is no path of ours`);
    left = size;
    padding = paddingOf(size);
    state = 'content';
    await events.file(path, size);
    if (left === 0) await finish();
  };
  const finish = async () => {
    await events.end();
    if (padding > 0) expect('padding', padding);
    else expect('header', block);
  };

  return {
    push: async (bytes: Buffer): Promise<void> => {
      let rest = bytes;
      while (rest.length > 0 && state !== 'ended') {
        if (state === 'content') {
          const piece = rest.subarray(0, left);
          left -= piece.length;
          rest = rest.subarray(piece.length);
          await events.content(piece);
          if (left === 0) await finish();
          continue;
        }
        const found = gather(rest);
        rest = found.rest;
        if (found.whole === undefined) return;
        if (state === 'header') await onHeader(found.whole);
        else {
          if (state === 'extension') extendedPath = pathIn(found.whole.subarray(0, left));
          expect('header', block);
        }
      }
    },
    end: (): void => {
      if (state !== 'ended') throw damaged('it stops before its end');
    },
  };
}
