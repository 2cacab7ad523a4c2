/**
 * Gives a large buffer's memory back to the allocator now, when nobody reads it any more. The garbage collector would
 * do so as well, but late: it looks at the small object in front of the memory. Whoever still holds the buffer sees
 * it empty. Never for memory that an unfinished system call may touch.
 */
export function release(bytes: Buffer): void {
  const memory = bytes.buffer;
  // Small buffers share the pool of node:buffer.
  if (memory instanceof ArrayBuffer && memory.byteLength > Buffer.poolSize) memory.transfer(0);
}
