/** Event types of both flavours by their numbers on disk (log_event.h, binlog_event.h); MariaDB's own begin at 160. */
export const eventTypes = {
  query: 2,
  stop: 3,
  rotate: 4,
  intvar: 5,
  appendBlock: 9,
  deleteFile: 11,
  rand: 13,
  userVar: 14,
  formatDescription: 15,
  xid: 16,
  beginLoadQuery: 17,
  executeLoadQuery: 18,
  tableMap: 19,
  writeRowsV1: 23,
  updateRowsV1: 24,
  deleteRowsV1: 25,
  incident: 26,
  ignorable: 28,
  rowsQuery: 29,
  writeRows: 30,
  updateRows: 31,
  deleteRows: 32,
  gtid: 33,
  anonymousGtid: 34,
  previousGtids: 35,
  transactionContext: 36,
  viewChange: 37,
  xaPrepare: 38,
  partialUpdateRows: 39,
  transactionPayload: 40,
  taggedGtid: 42,
  annotateRows: 160,
  binlogCheckpoint: 161,
  mariadbGtid: 162,
  gtidList: 163,
  startEncryption: 164,
  queryCompressed: 165,
  writeRowsCompressedV1: 166,
  updateRowsCompressedV1: 167,
  deleteRowsCompressedV1: 168,
  writeRowsCompressed: 169,
  updateRowsCompressed: 170,
  deleteRowsCompressed: 171,
} as const;

export type EventName = keyof typeof eventTypes;

const names = new Map<number, EventName>(
  (Object.entries(eventTypes) as [EventName, number][]).map(([name, type]) => [type, name]),
);

/** What an event of this type is; undefined for a type that this version does not know. */
export const eventName = (type: number): EventName | undefined => names.get(type);

/** Flags of an event's header. */
export const eventFlags = {
  /** In the format description of a file that is open, cleared when it is closed. */
  inUse: 0x1,
  /** Written for a reader that may leave it out. */
  ignorable: 0x80,
} as const;
