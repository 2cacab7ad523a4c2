/** A text in SQL, for names that are texts there (channels). */
export const quoteText = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
