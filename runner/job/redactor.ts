export const redacted = '[redacted]';

/** Below this a secret is not told apart from ordinary words; no server should take it as a password. */
const shortest = 4;

/**
 * Replaces secrets in whole texts. A text may have been cut (long lines of tools are): an end that begins a secret,
 * and a start that ends one, go as well. Each line of a secret of several lines counts on its own, since tools
 * print line by line, and so do its forms within JSON and option files.
 */
export function makeRedactor(): { hide: (secret: string) => void; redact: (text: string) => string } {
  let secrets: string[] = [];
  return {
    hide: (secret) => {
      const forms = [secret, ...secret.split(/\r\n|\n|\r/)].flatMap((form) => [
        form,
        JSON.stringify(form).slice(1, -1),
        encodeURIComponent(form),
      ]);
      secrets = [...new Set([...secrets, ...forms.filter((form) => form.length >= shortest)])].sort(
        (a, b) => b.length - a.length,
      );
    },
    redact: (text) => {
      let result = text;
      for (const secret of secrets) result = result.replaceAll(secret, redacted);
      for (const secret of secrets) result = redactEdges(result, secret);
      return result;
    },
  };
}

function redactEdges(text: string, secret: string): string {
  let result = text;
  for (let length = Math.min(secret.length - 1, result.length); length >= shortest; length--) {
    if (!result.endsWith(secret.slice(0, length))) continue;
    result = result.slice(0, -length) + redacted;
    break;
  }
  for (let length = Math.min(secret.length - 1, result.length); length >= shortest; length--) {
    if (!result.startsWith(secret.slice(-length))) continue;
    result = redacted + result.slice(length);
    break;
  }
  return result;
}
