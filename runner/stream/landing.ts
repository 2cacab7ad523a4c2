/** Whether these bytes lie in `buffer` at `at` already, because they were read straight into it. */
export const liesAt = (bytes: Buffer, buffer: Buffer, at: number): boolean =>
  bytes.buffer === buffer.buffer && bytes.byteOffset === buffer.byteOffset + at;
