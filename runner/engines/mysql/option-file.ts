/** `user`, `password` and address of a client, as an option file carries them. */
export type ClientOptions = {
  user?: string;
  password?: string;
  socket?: string;
  host?: string;
  port?: number;
};

const escapes: Record<string, string> = { n: '\n', t: '\t', r: '\r', b: '\b', s: ' ' };

/**
 * One value of a MySQL or MariaDB option file, in double quotes. The reader (my_default.c of both) cuts at a `#`
 * outside of quotes, takes the outer quotes off and then undoes \b \t \n \r \s \\ \" \'; a line is at most 4 KiB.
 */
export function quoteOption(value: string): string {
  if (value.includes('\0')) throw new RangeError('an option file cannot hold a NUL byte');
  const escaped = value
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
    .replaceAll('\b', '\\b');
  return `"${escaped}"`;
}

/** Text of an option file with one `[client]` section, which mariadb-backup and the client programs read (F76). */
export function formatClientOptions(options: ClientOptions): string {
  const lines = Object.entries(options).map(([key, value]) => `${key}=${quoteOption(String(value))}`);
  return `[client]\n${lines.join('\n')}\n`;
}

function unquote(text: string): string {
  let quote = '';
  let end = text.length;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '\\' && quote !== '') {
      i++;
      continue;
    }
    if (c === '"' || c === "'") quote = quote === '' ? c : quote === c ? '' : quote;
    else if (c === '#' && quote === '') {
      end = i;
      break;
    }
  }
  let value = text.slice(0, end).trim();
  if (value.length >= 2 && (value[0] === '"' || value[0] === "'") && value.at(-1) === value[0]) {
    value = value.slice(1, -1);
  }
  return value.replace(/\\([\s\S])/g, (all, c: string) => escapes[c] ?? ('"\'\\'.includes(c) ? c : all));
}

/**
 * Reads user, password and address from the sections that a client or mariadb-backup would read; a later line wins.
 * `!include` lines are not followed: a credential file says its login itself.
 */
export function parseClientOptions(text: string): ClientOptions {
  const groups = ['client', 'client-server', 'client-mariadb', 'mariadb-backup', 'mariabackup', 'xtrabackup'];
  const found: ClientOptions = {};
  let wanted = false;
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';') || line.startsWith('!')) continue;
    const section = /^\[([^\]]*)\]/.exec(line);
    if (section) {
      wanted = groups.includes(section[1]!.trim());
      continue;
    }
    const equals = line.indexOf('=');
    if (!wanted || equals < 0) continue;
    const key = line.slice(0, equals).trim();
    const value = unquote(line.slice(equals + 1).trim());
    if (key === 'user' || key === 'password' || key === 'socket' || key === 'host') found[key] = value;
    else if (key === 'port') found.port = Number(value);
  }
  return found;
}
