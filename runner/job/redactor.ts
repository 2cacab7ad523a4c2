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
  const known = new Set<string>();
  return {
    hide: (secret) => {
      if (known.has(secret)) return;
      known.add(secret);
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
  const opening = secret.slice(0, shortest);
  let at = result.indexOf(opening, Math.max(0, result.length - secret.length + 1));
  for (; at >= 0; at = result.indexOf(opening, at + 1)) {
    if (!secret.startsWith(result.slice(at))) continue;
    result = result.slice(0, at) + redacted;
    break;
  }
  const head = result.slice(0, shortest);
  if (head.length < shortest) return result;
  for (let from = secret.indexOf(head, 1); from >= 0; from = secret.indexOf(head, from + 1)) {
    const tail = secret.slice(from);
    if (result.startsWith(tail)) return redacted + result.slice(tail.length);
  }
  return result;
}
