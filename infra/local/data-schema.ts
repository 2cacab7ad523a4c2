import { escapeId } from 'mysql2/promise';

/** Names with everything a quoted name may hold; a newline goes into the value only, tools print names in lines. */
export const oddNames = {
  database: 'odd `db\' "q" $HOME; ünï 日本',
  table: 'a "table" of `it\'s` $(id); --x/y.z 表',
  view: "view 'of' $1;",
  value: 'line\none; \'two\' "three" \\ $four ☃',
} as const;

const odd = escapeId(oddNames.database, true);
const oddTable = `${odd}.${escapeId(oddNames.table, true)}`;

export const dropStatements: readonly string[] = [
  'DROP DATABASE IF EXISTS shop',
  `DROP DATABASE IF EXISTS ${odd}`,
];

const partitions = Array.from({ length: 8 }, (_, quarter) => {
  const month = String(1 + ((quarter * 3 + 3) % 12)).padStart(2, '0');
  const year = 2025 + Math.floor((quarter * 3 + 3) / 12);
  return `PARTITION q${quarter} VALUES LESS THAN ('${year}-${month}-01')`;
});

/** One of each kind of object that a backup can lose. */
export const schema: readonly string[] = [
  'CREATE DATABASE shop CHARACTER SET utf8mb4',
  `CREATE TABLE shop.customers (
    id INT UNSIGNED PRIMARY KEY, name VARCHAR(100) NOT NULL, email VARCHAR(100) NOT NULL, city VARCHAR(40) NOT NULL,
    notes TEXT, UNIQUE KEY email (email), KEY city_name (city, name))`,
  `CREATE TABLE shop.orders (
    id INT UNSIGNED PRIMARY KEY, customer_id INT UNSIGNED NOT NULL, placed DATETIME NOT NULL, net DECIMAL(10,2) NOT NULL,
    gross DECIMAL(12,2) AS (ROUND(net * 1.19, 2)) PERSISTENT, weekday TINYINT AS (WEEKDAY(placed)) VIRTUAL,
    comment VARCHAR(200), KEY placed (placed), KEY gross (gross),
    CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES shop.customers (id))`,
  `CREATE TABLE shop.order_items (
    order_id INT UNSIGNED NOT NULL, line TINYINT UNSIGNED NOT NULL, sku CHAR(14) NOT NULL, quantity INT NOT NULL,
    price DECIMAL(8,2) NOT NULL, PRIMARY KEY (order_id, line), KEY sku (sku),
    CONSTRAINT items_order FOREIGN KEY (order_id) REFERENCES shop.orders (id) ON DELETE CASCADE)`,
  `CREATE TABLE shop.measurements (
    taken DATETIME NOT NULL, sensor INT UNSIGNED NOT NULL, value DOUBLE NOT NULL, PRIMARY KEY (taken, sensor),
    KEY sensor (sensor)) PARTITION BY RANGE COLUMNS (taken) (${partitions.join(', ')},
    PARTITION later VALUES LESS THAN (MAXVALUE))`,
  'CREATE TABLE shop.documents (id INT UNSIGNED PRIMARY KEY, title VARCHAR(100), body MEDIUMBLOB NOT NULL, KEY title (title))',
  'CREATE TABLE shop.counters (name VARCHAR(40) PRIMARY KEY, hits INT NOT NULL) ENGINE = Aria TRANSACTIONAL = 1',
  'CREATE TABLE shop.audit (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, order_id INT UNSIGNED, what VARCHAR(20))',
  `CREATE TABLE shop.ledger (
    id BIGINT UNSIGNED PRIMARY KEY, revision INT UNSIGNED NOT NULL DEFAULT 0, note VARCHAR(200) NOT NULL, KEY note (note))`,
  'CREATE SEQUENCE shop.invoice_numbers START WITH 1000 INCREMENT BY 1 CACHE 10',
  `CREATE VIEW shop.revenue AS SELECT c.city, SUM(o.gross) AS gross FROM shop.orders o
    JOIN shop.customers c ON c.id = o.customer_id GROUP BY c.city`,
  `CREATE TRIGGER shop.orders_deleted AFTER DELETE ON shop.orders FOR EACH ROW
    INSERT INTO shop.audit (order_id, what) VALUES (OLD.id, 'deleted')`,
  `CREATE PROCEDURE shop.count_orders (IN wanted INT UNSIGNED, OUT counted INT)
    SELECT COUNT(*) INTO counted FROM shop.orders WHERE customer_id = wanted`,
  `CREATE EVENT shop.trim_audit ON SCHEDULE EVERY 1 DAY STARTS CURRENT_TIMESTAMP + INTERVAL 1 DAY
    DO DELETE FROM shop.audit WHERE id < 1`,
  `CREATE DATABASE ${odd}`,
  `CREATE TABLE ${oddTable} (id INT PRIMARY KEY, ${escapeId('a value; "x"', true)} TEXT)`,
  `CREATE VIEW ${odd}.${escapeId(oddNames.view, true)} AS SELECT COUNT(*) AS n FROM ${oddTable}`,
];
