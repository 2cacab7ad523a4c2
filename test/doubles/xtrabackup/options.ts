/**
 * The options of XtraBackup by line, as its own table of options has them: `=` needs a value, `[=]` may have one, else
 * none. Names are compared with `-` for `_`, as the servers' programs do.
 */
export type Line = '8.0' | '8.4' | '9.7';

const everywhere = `
  version help backup prepare export print-param target-dir= use-memory= use-free-memory-pct= estimate-memory[=]
  throttle= log-copy-interval= extra-lsndir= incremental-lsn= redo-log-arch-dir= to-archived-lsn=
  tables= tables-file= databases= databases-file= tables-exclude= databases-exclude= create-ib-logfile
  stream[=] compress[=] compress-threads= compress-chunk-size= compress-zstd-level=
  encrypt= encrypt-key= encrypt-key-file= encrypt-threads= encrypt-chunk-size= rebuild-threads= incremental-force-scan
  close-files core-file copy-back move-back galera-info slave-info page-tracking no-lock
  lock-ddl-timeout= lock-ddl-per-table backup-lock-timeout= backup-lock-retry-count=
  dump-innodb-buffer-pool dump-innodb-buffer-pool-timeout= dump-innodb-buffer-pool-pct= safe-slave-backup
  safe-slave-backup-timeout= rsync force-non-empty-directories no-server-version-check no-version-check
  tables-compatibility-check no-backup-locks rollback-prepared-trx decompress decrypt= remove-original
  user= host= port= password[=] socket= incremental-history-name= incremental-history-uuid= history[=]
  ftwrl-wait-query-type= ftwrl-wait-timeout= ftwrl-wait-threshold= kill-long-query-type= kill-long-queries-timeout=
  check-privileges read-buffer-size[=] transition-key[=] xtrabackup-plugin-dir= plugin-load=
  generate-new-master-key generate-transition-key keyring-file-data[=] component-keyring-config[=]
  component-keyring-file-config[=] parallel= fifo-streams= fifo-dir= fifo-timeout= strict
  rocksdb-checkpoint-max-age= rocksdb-checkpoint-max-count= server-public-key-path= get-server-public-key
  ssl-mode= ssl-ca= ssl-cert= ssl-key=
  datadir= tmpdir= log[=] log-bin[=] log-bin-index= defaults-group= open-files-limit= server-id=
  innodb-data-file-path= innodb-data-home-dir= innodb-log-group-home-dir= innodb-page-size= innodb-undo-directory=
  innodb-directories= innodb-undo-tablespaces= innodb-checksum-algorithm= innodb-log-checksums= innodb-flush-method=
  register-redo-log-consumer`;

const oldNames = 'apply-log-only incremental-basedir= incremental-dir=';
const newNames = 'apply-redo-only backup-incremental-base= prepare-incremental-from-dir=';

const ofLine: Record<Line, string> = {
  // A switch there, which takes ON and OFF as every switch does.
  '8.0': `${everywhere} ${oldNames} lock-ddl[=] stats`,
  '8.4': `${everywhere} ${oldNames} lock-ddl[=] check-tables page-tracking-merge-gap=`,
  '9.7': `${everywhere} ${oldNames} ${newNames} lock-ddl[=] check-tables page-tracking-merge-gap=`,
};

/** Old names and what took their place in 9.7.2-2. */
const renamed: Readonly<Record<string, string>> = {
  'apply-log-only': 'apply-redo-only',
  'incremental-basedir': 'backup-incremental-base',
  'incremental-dir': 'prepare-incremental-from-dir',
};

/** Only the very first argument may say which option files are read. */
const first = /^--(?:no-defaults|defaults-file=.+|defaults-extra-file=.+|defaults-group=.+)$/;

/** Values that a tool of this version takes; others end it. */
const values: Readonly<Record<string, RegExp>> = {
  stream: /^xbstream$/i,
  compress: /^(?:zstd|lz4)$/i,
  encrypt: /^AES(?:128|192|256)$/,
  decrypt: /^AES(?:128|192|256)$/,
  'compress-zstd-level': /^(?:[1-9]|1[0-9])$/,
  parallel: /^[1-9]\d*$/,
  'fifo-streams': /^[1-9]\d*$/,
  'fifo-timeout': /^[1-9]\d*$/,
};

const numbers =
  /^(?:throttle|port|use-memory|lock-ddl-timeout|backup-lock-timeout|ftwrl-wait-timeout|ftwrl-wait-threshold|compress-threads|encrypt-threads|open-files-limit|read-buffer-size|incremental-lsn)$/;

export const lineOfVersion = (version: string) => version.split('.').slice(0, 2).join('.') as Line;

/** `8.4.0-5` as what it is compared by. */
const release = (version: string) => version.split(/[.-]/).map(Number);
const atLeast = (version: string, least: string) => {
  const [a, b] = [release(version), release(least)];
  for (const [i, part] of b.entries()) if ((a[i] ?? 0) !== part) return (a[i] ?? 0) > part;
  return true;
};

export type Read = { options: Map<string, string>; warnings: string[] } | { error: string };

/** Reads arguments as this version does: the options, and the line with which it ends when it takes them not. */
export function readOptions(args: readonly string[], version: string): Read {
  const line = lineOfVersion(version);
  const known = new Map(
    ofLine[line].split(/\s+/).map((word) => {
      const name = word.replace(/(\[=\]|=)$/, '');
      return [name, word.slice(name.length)] as const;
    }),
  );
  const options = new Map<string, string>();
  const warnings: string[] = [];
  for (const [i, arg] of args.entries()) {
    if (i === 0 && first.test(arg)) {
      options.set('defaults', arg.split('=')[1] ?? '');
      continue;
    }
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(arg);
    const name = match?.[1]?.replaceAll('_', '-') ?? '';
    const value = match?.[2];
    const kind = known.get(name);
    if (kind === undefined)
      return {
        error: `unknown ${value === undefined ? 'option' : 'variable'} '${arg.replace(/^--(?=.*=)/, '')}'.`,
      };
    if (kind === '=' && value === undefined) return { error: `option '--${name}' requires an argument.` };
    if (kind === '' && value !== undefined && !/^(?:ON|OFF|0|1|TRUE|FALSE)$/i.test(value)) {
      return { error: `option '--${name}' cannot take an argument.` };
    }
    if (value !== undefined && values[name]?.test(value) === false)
      return { error: `Invalid --${name} argument: ${value}` };
    if (value !== undefined && numbers.test(name) && !/^\d+$/.test(value)) {
      return { error: `Unknown suffix '${value.slice(-1)}' used for variable '${name}' (value '${value}').` };
    }
    if (name === 'lock-ddl' && /^reduced$/i.test(value ?? '')) {
      const has = line === '9.7' || (line === '8.4' && atLeast(version, '8.4.0-5'));
      if (!has) return { error: `Invalid --lock-ddl argument: ${value}` };
    } else if (name === 'lock-ddl' && value !== undefined && !/^(?:ON|OFF|0|1|TRUE|FALSE)$/i.test(value)) {
      return { error: `Invalid --lock-ddl argument: ${value}` };
    }
    const now = renamed[name];
    if (line === '9.7' && now !== undefined && atLeast(version, '9.7.2-2')) {
      if (options.has(now)) return { error: `--${name} and --${now} are the same option; pass only one` };
      warnings.push(
        `--${name} is deprecated and will be removed in a future release. Please use --${now} instead.`,
      );
    }
    const before = Object.entries(renamed).find(([, to]) => to === name)?.[0];
    if (before !== undefined) {
      if (!atLeast(version, '9.7.2-2')) return { error: `unknown option '${arg}'.` };
      if (options.has(before))
        return { error: `--${before} and --${name} are the same option; pass only one` };
    }
    options.set(name, value ?? '');
  }
  return { options, warnings };
}
