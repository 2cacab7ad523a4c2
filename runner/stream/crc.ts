/** The CRC-32 of zlib, highest power of x in the lowest bit (RFC 1952, section 8). */
const polynomial = 0xedb88320;

/** Product of two polynomials modulo that of the CRC. */
function times(a: number, b: number): number {
  let product = 0;
  let left = a;
  for (let power = b; left !== 0; left <<= 1) {
    if (left < 0) product ^= power;
    power = power & 1 ? (power >>> 1) ^ polynomial : power >>> 1;
  }
  return product;
}

/** x to the power of 2^n, for n from 0 to 31; the powers repeat from there on. */
const squares = [0x40000000];
while (squares.length < 32) squares.push(times(squares.at(-1)!, squares.at(-1)!));

/**
 * CRC32 of two pieces one behind the other, from the CRC32 of each and the bytes of the second, without reading them
 * again: the first one's times x^(8 × bytes), plus the second one's (crc32_combine of zlib).
 */
export function joinCrc(first: number, second: number, secondBytes: number): number {
  let shift = 0x80000000 | 0;
  for (let left = secondBytes, n = 3; left > 0; left = Math.floor(left / 2), n += 1) {
    if (left % 2 === 1) shift = times(squares[n % 32]!, shift);
  }
  return (times(shift, first | 0) ^ second) >>> 0;
}

/** CRC32 as index rows carry it: eight lower-case hex digits. */
export const crcHex = (crc: number) => crc.toString(16).padStart(8, '0');

/** CRC32 as `x-amz-checksum-crc32` carries it: base64 of the four bytes, highest first. */
export function crcBase64(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}
