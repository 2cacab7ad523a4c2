/** A line of XtraBackup's stderr. */
export const say = (text: string, kind = 'Note', thread = 0): void =>
  void process.stderr.write(
    `${new Date().toISOString()} ${thread} [${kind}] [MY-011825] [Xtrabackup] ${text}\n`,
  );

/** stderr is a pipe: what was said is to be read before the end. */
export const endWith = (code: number): never => process.exit(code);
