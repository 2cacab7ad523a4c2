import { StringDecoder } from 'node:string_decoder';

/** Longest line that is kept, in characters; the rest of a longer one is dropped, so that a tool that writes none cannot fill memory. */
export const longestLine = 8192;

/**
 * Cuts a byte stream into lines, wherever its chunks were split (also within a UTF-8 character). `end` gives out
 * what came after the last line break.
 */
export function makeLineSplitter(onLine: (line: string) => void): {
  push: (bytes: Buffer) => void;
  end: () => void;
} {
  const decoder = new StringDecoder('utf8');
  let partial = '';
  const take = (text: string) => {
    let from = 0;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      keep(text, from, at);
      onLine(partial.endsWith('\r') ? partial.slice(0, -1) : partial);
      partial = '';
      from = at + 1;
    }
    keep(text, from, text.length);
  };
  const keep = (text: string, from: number, to: number) => {
    const room = longestLine - partial.length;
    if (room > 0) partial += text.slice(from, Math.min(to, from + room));
  };
  return {
    push: (bytes) => take(decoder.write(bytes)),
    end: () => {
      take(decoder.end());
      if (partial !== '') onLine(partial);
      partial = '';
    },
  };
}
