/** FIL_PAGE_SPACE_ID: on each page of InnoDB, and so at the beginning of a tablespace. */
const numberAt = 34;
/** A tool's note beside the changed pages of a tablespace is of a few short lines. */
const noteBytes = 512;

const ofSpace = /\.(?:ibd|new)$/;
const ofNote = /\.meta$/;

/**
 * Finds the number of a tablespace, by which InnoDB knows it whatever its name, in the first piece of its file or of the
 * `.meta` beside its changed pages, while that piece passes. Packed files do not say it.
 */
export function makeTablespaceNumber() {
  let wanted = 0;
  let head = Buffer.alloc(0);
  return {
    /** A piece of a file begins; answers whether its bytes are to be added. */
    begin(path: string, fileOffset: number): boolean {
      wanted = fileOffset > 0 ? 0 : ofSpace.test(path) ? numberAt + 4 : ofNote.test(path) ? noteBytes : 0;
      head = Buffer.alloc(0);
      return wanted > 0;
    },

    add(bytes: Buffer) {
      if (head.length < wanted) head = Buffer.concat([head, bytes.subarray(0, wanted - head.length)]);
    },

    found(): number | undefined {
      if (wanted === noteBytes) {
        const text = /^space_id = (\d{1,10})$/m.exec(head.toString('latin1'))?.[1];
        return text === undefined ? undefined : Number(text);
      }
      return head.length < numberAt + 4 ? undefined : head.readUInt32BE(numberAt);
    },
  };
}
