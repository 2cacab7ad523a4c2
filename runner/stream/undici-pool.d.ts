/** The pool of undici without the rest of the package; its types are those of the package. */
declare module 'undici/lib/dispatcher/pool.js' {
  import { Pool } from 'undici';
  export default Pool;
}
