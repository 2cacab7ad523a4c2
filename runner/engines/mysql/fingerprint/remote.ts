/**
 * Engines that ask another server for their tables. Such a table is not opened, not even for its size: where the other
 * server is away that fails, and where it is there a restored copy would reach production (M17).
 */
export const isRemote = (engine: string) => ['FEDERATED', 'CONNECT', 'SPIDER', 'S3'].includes(engine);
