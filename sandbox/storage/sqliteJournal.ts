/**
 * What the store must not lose, in one SQLite file: the last state of every object and the revision. A write is in the file before it takes
 * effect and is answered, so the death of this process, also by SIGKILL, loses no acknowledged write. The write-ahead log is not forced to
 * the disk at each write: when the machine itself dies, the writes of its last moments may be gone, but what is left is one consistent past.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Journal, StorageEvent, StoredObject } from './storage.ts';

/** The data directory cannot be used; the message says why and what to do. */
export class DataDirError extends Error {
  readonly code = 'DataDirUnusable';
  override readonly name = 'DataDirError';
}

/** Raised when the tables change; another number in a file is refused. */
const formatVersion = 1;

const schema = `
CREATE TABLE objects (
  bucket TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, object TEXT NOT NULL,
  PRIMARY KEY (bucket, namespace, name)
) WITHOUT ROWID;
CREATE TABLE revision (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), value INTEGER NOT NULL);
INSERT INTO revision VALUES (1, 1);
PRAGMA user_version = ${formatVersion};
`;

export interface SqliteJournal extends Journal {
  close(): void;
}

/** Opens `<dir>/objects.sqlite`, or makes it. One process at a time. @throws DataDirError */
export async function openSqliteJournal(dir: string): Promise<SqliteJournal> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  // Loaded here because Node announces the module as experimental, which only those who use it should read.
  const sqlite = await import('node:sqlite');
  const file = path.join(dir, 'objects.sqlite');
  const database = new sqlite.DatabaseSync(file);
  try {
    // The lock that EXCLUSIVE takes ends with the process, however that ends.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    prepare(database, file);
  } catch (error) {
    database.close();
    throw explained(error, file);
  }
  return journal(database);
}

function prepare(database: DatabaseSync, file: string): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
  if (version === 0) database.exec(`BEGIN IMMEDIATE; ${schema} COMMIT;`);
  else if (version !== formatVersion)
    throw new DataDirError(`${file} has format ${version}, and this version reads ${formatVersion}: choose another --data-dir`);
  // With the lock taken for good, a second sandbox is told so at its start.
  database.exec('BEGIN IMMEDIATE; COMMIT;');
}

function explained(error: unknown, file: string): Error {
  const { message } = error as Error;
  if (error instanceof DataDirError) return error;
  if (/locked|busy/i.test(message)) return new DataDirError(`${file} is in use by another sandbox: stop it, or choose another --data-dir`);
  return new DataDirError(`${file} cannot be used: ${message}. Choose another --data-dir, or delete this one to start empty`);
}

function journal(database: DatabaseSync): SqliteJournal {
  const put = database.prepare('INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)');
  const drop = database.prepare('DELETE FROM objects WHERE bucket = ? AND namespace = ? AND name = ?');
  const advance = database.prepare('UPDATE revision SET value = ?');
  const begin = database.prepare('BEGIN');
  const commit = database.prepare('COMMIT');
  const change = ({ type, bucket, object, revision }: StorageEvent): void => {
    const { namespace = '', name } = object.metadata;
    if (type === 'DELETED') drop.run(bucket, namespace, name);
    else put.run(bucket, namespace, name, JSON.stringify(object));
    advance.run(revision);
  };
  return {
    revision: Number(database.prepare('SELECT value FROM revision').get()?.value),
    *objects() {
      for (const row of database.prepare('SELECT bucket, object FROM objects').iterate())
        yield { bucket: String(row.bucket), object: JSON.parse(String(row.object)) as StoredObject };
    },
    record(event) {
      begin.run();
      try {
        change(event);
        commit.run();
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK');
        throw error;
      }
    },
    close: () => database.close(),
  };
}
