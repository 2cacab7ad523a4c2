/**
 * Stands for xtrabackup_logfile: the redo files of a cloned data directory, which the double's prepare puts where a
 * server looks for them. The real one holds a copy of the redo and applies it.
 */
const magic = Buffer.from('REDOOFTHEDOUBLE\0');

export function joinRedo(files: readonly { path: string; bytes: Buffer }[]): Buffer {
  const head = Buffer.from(JSON.stringify(files.map(({ path, bytes }) => [path, bytes.length])));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(head.length);
  return Buffer.concat([magic, size, head, ...files.map(({ bytes }) => bytes)]);
}

/** Undefined where the end is missing. */
export function splitRedo(content: Buffer): { path: string; bytes: Buffer }[] | undefined {
  if (!content.subarray(0, magic.length).equals(magic)) return undefined;
  const length = content.readUInt32LE(magic.length);
  let at = magic.length + 4;
  const head = JSON.parse(content.toString('utf8', at, at + length)) as [string, number][];
  at += length;
  const files = head.map(([path, bytes]) => {
    const part = { path, bytes: content.subarray(at, at + bytes), whole: at + bytes <= content.length };
    at += bytes;
    return part;
  });
  return files.every(({ whole }) => whole) ? files : undefined;
}
