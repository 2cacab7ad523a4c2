import type { Session } from './session.ts';

/** A plugin that is loaded from a library (`auth_ed25519.so`); `type` as information_schema has it. */
export type Plugin = { name: string; type: string; library: string };

/** The active plugins of a server that are not built in. */
export async function readPlugins(session: Session): Promise<Plugin[]> {
  const rows = await session.rows(
    `SELECT PLUGIN_NAME AS name, PLUGIN_TYPE AS type, PLUGIN_LIBRARY AS so FROM information_schema.PLUGINS
     WHERE PLUGIN_STATUS = 'ACTIVE' AND PLUGIN_LIBRARY IS NOT NULL ORDER BY PLUGIN_NAME`,
  );
  return rows.map((row) => ({ name: row.name ?? '', type: row.type ?? '', library: row.so ?? '' }));
}

/**
 * What encrypts files of this server, by name: key management plugins of MariaDB, keyrings of MySQL, and tablespaces that
 * are encrypted, since their keyring may be gone.
 */
export async function readEncryption(session: Session, plugins: readonly Plugin[]): Promise<string[]> {
  const names = plugins
    .filter(({ type }) => type === 'ENCRYPTION' || type === 'KEYRING')
    .map(({ name }) => name);
  if (session.words.family === 'mariadb') return names;
  const components = await session.rows(
    "SELECT STATUS_VALUE AS name FROM performance_schema.keyring_component_status WHERE STATUS_KEY = 'Component_name'",
  );
  const [encrypted] = await session.rows(
    "SELECT COUNT(*) AS n FROM information_schema.INNODB_TABLESPACES WHERE ENCRYPTION = 'Y'",
    [],
    300,
  );
  const spaces = Number(encrypted?.n ?? 0);
  return [
    ...names,
    ...components.map((row) => row.name ?? ''),
    ...(spaces > 0 ? [`${spaces} encrypted tablespaces`] : []),
  ];
}

/** Types without which tables cannot be read or accounts cannot log in. Others only watch, or reach out. */
const neededTypes = new Set(['STORAGE ENGINE', 'AUTHENTICATION', 'FTPARSER', 'DATA TYPE', 'FUNCTION']);

/** Libraries that a restored server must load to read what this one wrote (M23). */
export function neededLibraries(plugins: readonly Plugin[]): string[] {
  const needed = plugins.filter(({ name, type }) => neededTypes.has(type) || name.startsWith('provider_'));
  return [...new Set(needed.map((plugin) => plugin.library))].sort();
}
