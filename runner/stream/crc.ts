/** CRC32 as index rows carry it: eight lower-case hex digits. */
export const crcHex = (crc: number) => crc.toString(16).padStart(8, '0');

/** CRC32 as `x-amz-checksum-crc32` carries it: base64 of the four bytes, highest first. */
export function crcBase64(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}
