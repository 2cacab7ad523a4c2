/** Where a dump stands, as its metadata file says it. */
export type DumpMetadata = {
  /** The server's own log: what a primary has written. */
  written: { file: string; offset: number; gtid: string } | undefined;
  /** What a replica has applied of its source; several channels have several. */
  applied: { gtid: string }[];
  finished: boolean;
};

const field = (section: string, name: string): string =>
  new RegExp(`^\\s*${name}:[ \\t]*(.*)$`, 'm').exec(section)?.[1]?.trim() ?? '';

/** 0.10: sections under SHOW MASTER STATUS and SHOW SLAVE STATUS; a set of several servers goes over several lines. */
function read010(text: string): DumpMetadata {
  const sections = text.split(/^(?=SHOW (?:MASTER|SLAVE) STATUS:)/m);
  const gtidOf = (section: string) =>
    (/GTID:([\s\S]*?)(?:\n\s*\n|\nFinished|$)/.exec(section)?.[1] ?? '').replace(/\s+/g, '');
  const master = sections.find((section) => section.startsWith('SHOW MASTER STATUS:'));
  const file = master === undefined ? '' : field(master, 'Log');
  return {
    written:
      master === undefined || file === ''
        ? undefined
        : { file, offset: Number(field(master, 'Pos')), gtid: gtidOf(master) },
    applied: sections
      .filter((section) => section.startsWith('SHOW SLAVE STATUS:'))
      .map((section) => ({ gtid: gtidOf(section) })),
    finished: /^Finished dump at: /m.test(text),
  };
}

/** 1.x: an ini file, its positions behind `#` unless replication is asked for. */
function read1(text: string): DumpMetadata {
  const sections = text.split(/^(?=\[)/m);
  const value = (section: string, name: string) =>
    (new RegExp(`^#? ?${name} ?= ?("[^"]*"|.*)$`, 'im').exec(section)?.[1] ?? '').replace(/[\s"']+/g, '');
  const source = sections.find((section) => /^\[(?:source|master)\]/.test(section)) ?? '';
  const file = value(source, 'SOURCE_LOG_FILE') || value(source, 'File');
  return {
    written:
      file === ''
        ? undefined
        : {
            file,
            offset: Number(value(source, 'SOURCE_LOG_POS') || value(source, 'Position')),
            gtid: value(source, 'executed_gtid_set'),
          },
    applied: sections
      .filter((section) => /^\[replication/.test(section))
      .map((section) => ({ gtid: value(section, 'Gtid_Slave_Pos') || value(section, 'Executed_Gtid_Set') })),
    finished: /^# Finished dump at: /m.test(text),
  };
}

/** Reads mydumper's `metadata`, of either line. */
export const parseDumpMetadata = (text: string): DumpMetadata =>
  text.startsWith('#') ? read1(text) : read010(text);
