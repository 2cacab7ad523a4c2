/** A sort key has 1,024 bytes; the name of the target's lock adds the host's 40 and a few more. */
const bytesAtMost = 900;

/**
 * One name for one directory, since it is locked by name: no repeated or trailing slashes. Paths that climb
 * (`..`) or have more than 900 bytes, and the root itself, are refused with a reason.
 */
export function targetDirectory(
  path: string,
): { outcome: 'directory'; directory: string } | { outcome: 'refused'; why: string } {
  const steps = path.split('/').filter((step) => step !== '');
  if (steps.length === 0) return { outcome: 'refused', why: 'must be a directory below the root' };
  if (steps.some((step) => step === '.' || step === '..')) {
    return { outcome: 'refused', why: 'must be without . and .. steps' };
  }
  const directory = `/${steps.join('/')}`;
  const bytes = Buffer.byteLength(directory);
  if (bytes > bytesAtMost) {
    return { outcome: 'refused', why: `has ${bytes} bytes, at most ${bytesAtMost} are taken` };
  }
  return { outcome: 'directory', directory };
}
