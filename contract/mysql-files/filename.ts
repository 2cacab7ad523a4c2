import { filenameLetters } from './filename-letters.ts';

/**
 * The name of a database or table from that of its file: MySQL writes what is not a letter, digit or `_` of
 * ASCII as `@` and four hexadecimal digits (`@0024` is $), and letters of some alphabets as `@` and two
 * characters (`@0k` is ä). What is not written so (a name from before 5.1) is given back as it stands.
 */
export function decodeFilename(name: string): string {
  let decoded = '';
  for (let at = 0; at < name.length; at++) {
    const char = name.charAt(at);
    if (char !== '@') {
      decoded += char;
      continue;
    }
    const letter = letterOf(name.charAt(at + 1), name.charAt(at + 2));
    if (letter !== undefined) {
      decoded += letter;
      at += 2;
      continue;
    }
    const hex = /^[0-9a-f]{4}/i.exec(name.slice(at + 1, at + 5))?.[0];
    if (hex === undefined) return name;
    decoded += String.fromCharCode(Number.parseInt(hex, 16));
    at += 4;
  }
  return decoded;
}

function letterOf(first: string, second: string): string | undefined {
  if (first === '' || second === '') return undefined;
  const row = Object.hasOwn(filenameLetters, second) ? filenameLetters[second] : undefined;
  const letter = row?.charAt(first.charCodeAt(0) - '0'.charCodeAt(0)) ?? '';
  return letter === '' || letter === ' ' ? undefined : letter;
}
