/** Small files whose content the verdict and the manifest need; they are a few hundred bytes, .ren at most a path. */
const wanted =
  /(^|\/)(xtrabackup|mariadb_backup)_(info|checkpoints|binlog_info|slave_info|galera_info)$|\.ren$/;

/** A file above this is not kept: a GTID set of a thousand servers takes 40 KiB. */
export const keptFileLimit = 64 * 1024;
/** All kept files together: some 100,000 renames during one backup. */
export const keptTotalLimit = 4 * 1024 * 1024;

/**
 * Keeps the content of the few small files that say what the backup is (metadata and the .ren notes of renamed
 * tables) while the stream passes. Bounded: what is too big is left out, and `get` then says undefined.
 */
export function makeKeptContent() {
  const parts = new Map<string, Buffer[]>();
  const sizes = new Map<string, number>();
  let total = 0;

  const drop = (path: string) => {
    total -= sizes.get(path) ?? 0;
    sizes.delete(path);
    parts.delete(path);
  };

  return {
    wants: (path: string): boolean => wanted.test(path),
    bytes: () => total,
    drop,

    /** A chunk of `length` bytes at `fileOffset` begins; says whether its payload is to be added. */
    begin(path: string, fileOffset: number, length: number): boolean {
      if (fileOffset === 0) drop(path);
      const size = sizes.get(path) ?? 0;
      if (size !== fileOffset || size + length > keptFileLimit || total + length > keptTotalLimit) {
        drop(path);
        return false;
      }
      if (fileOffset === 0) parts.set(path, []);
      sizes.set(path, size + length);
      total += length;
      return true;
    },

    add(path: string, bytes: Buffer) {
      parts.get(path)?.push(Buffer.from(bytes));
    },

    get(path: string): Buffer | undefined {
      const kept = parts.get(path);
      return kept === undefined ? undefined : Buffer.concat(kept);
    },
  };
}

export type KeptContent = ReturnType<typeof makeKeptContent>;
