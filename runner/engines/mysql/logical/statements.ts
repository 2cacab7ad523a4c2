/**
 * Reads what mydumper writes into a file of rows: comments and settings, then INSERT statements with many rows each,
 * strings in double quotes with backslashes. Bytes may be cut anywhere. It counts the rows exactly and says where each
 * statement ends, without making text of anything.
 */
export type StatementReader = {
  /** Bytes of the file that come next. `onEnd` gets the offset within `bytes` just after each statement's semicolon. */
  push: (bytes: Buffer, onEnd?: (offset: number) => void) => void;
  /** Rows so far, those of a statement that has not ended included. */
  rows: () => number;
  /** Bytes of the longest statement so far. */
  longest: () => number;
  /** Whether nothing is left open: a file that ends within a statement was cut off. */
  complete: () => boolean;
};

const quote = 0x22;
const apostrophe = 0x27;
const backtick = 0x60;
const backslash = 0x5c;
const open = 0x28;
const close = 0x29;
const semicolon = 0x3b;
const slash = 0x2f;
const star = 0x2a;
const space = 0x20;

/** ` VALUES` in upper case, as every version writes it between the names of columns and the first row. */
const values = Buffer.from(' VALUES');

export function makeStatementReader(): StatementReader {
  let rows = 0;
  let longest = 0;
  /** Bytes of the statement that has begun; spaces and line breaks between statements are none. */
  let length = 0;
  let depth = 0;
  let inValues = false;
  let matched = 0;
  /** Within a string or name: what ends it; `*` within a comment. */
  let within = 0;
  let escaped = false;
  let previous = 0;

  /** Goes on within a string, name or comment from `at`; returns where it ends, or the length when it does not. */
  const skip = (bytes: Buffer, at: number): number => {
    let i = at;
    if (escaped) {
      escaped = false;
      i += 1;
    }
    for (;;) {
      if (i >= bytes.length) return bytes.length;
      const found = bytes.indexOf(within === star ? slash : within, i);
      const end = found < 0 ? bytes.length : found;
      if (within === star) {
        if (found < 0) {
          previous = bytes[bytes.length - 1]!;
          return end;
        }
        const before = found > 0 ? bytes[found - 1] : previous;
        if (before === star) {
          within = 0;
          return found + 1;
        }
        i = found + 1;
        continue;
      }
      if (within !== backtick) {
        let backslashes = 0;
        for (let b = end - 1; b >= i && bytes[b] === backslash; b--) backslashes += 1;
        if (backslashes % 2 === 1) {
          if (found < 0) {
            escaped = true;
            return end;
          }
          i = found + 1;
          continue;
        }
      }
      if (found < 0) return end;
      // A doubled quote begins the string again, which comes to the same.
      within = 0;
      return found + 1;
    }
  };

  const begin = (byte: number) => {
    within = byte;
    matched = 0;
  };

  return {
    push: (bytes, onEnd) => {
      let i = 0;
      let counted = 0;
      while (i < bytes.length) {
        if (within !== 0) {
          i = skip(bytes, i);
          continue;
        }
        const byte = bytes[i]!;
        if (length === 0 && i === counted && (byte === 0x0a || byte === 0x0d || byte === space)) {
          i += 1;
          counted = i;
          continue;
        }
        i += 1;
        if (byte === quote || byte === apostrophe || byte === backtick) begin(byte);
        else if (byte === star && previous === slash) begin(star);
        else if (byte === open) {
          if (inValues && depth === 0) rows += 1;
          depth += 1;
        } else if (byte === close) depth -= 1;
        else if (byte === semicolon && depth === 0) {
          longest = Math.max(longest, length + i - counted);
          length = 0;
          counted = i;
          inValues = false;
          matched = 0;
          onEnd?.(i);
        }
        if (!inValues && depth === 0 && within === 0) {
          matched = byte === values[matched] ? matched + 1 : byte === space ? 1 : 0;
          if (matched === values.length) inValues = true;
        }
        previous = byte;
      }
      length += bytes.length - counted;
    },
    rows: () => rows,
    longest: () => Math.max(longest, length),
    complete: () => length === 0 && depth === 0 && within === 0,
  };
}
