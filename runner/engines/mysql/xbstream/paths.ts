/** Readers of both flavours refuse a path of FN_REFLEN (512) bytes or more. */
export const pathLimit = 512;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Decodes the path of a chunk and says why it must not be used, if so: it would leave the directory it is
 * unpacked to, or is nothing that a backup tool writes (F70). A directory is allowed where one can be removed.
 */
export function decodePath(bytes: Uint8Array): { path: string } | { detail: string } {
  let path: string;
  try {
    path = utf8.decode(bytes);
  } catch {
    return { detail: 'the path is not UTF-8' };
  }
  if (path === '') return { detail: 'the path is empty' };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f\\]/.test(path))
    return { detail: 'the path has a control character or a backslash' };
  if (path.startsWith('/')) return { detail: 'the path is absolute' };
  for (const segment of path.split('/')) {
    if (segment === '') return { detail: 'the path has an empty segment' };
    if (segment === '.' || segment === '..') return { detail: `the path has a segment '${segment}'` };
  }
  return { path };
}
