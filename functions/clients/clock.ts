/** The clock of handlers. */
export const now = (): Date => new Date();
