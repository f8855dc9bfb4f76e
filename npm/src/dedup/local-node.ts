// Local files, read and written by Node.

import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import type { LocalFile } from "./platform.js";
import type { Sink } from "./sink.js";

/** Bytes to read at a time. */
const PIECE = 1024 * 1024;

/** Opens the file at `path`. */
export async function readFile(path: string): Promise<LocalFile> {
  const file = await open(path, "r");
  const { size } = await file.stat();
  return {
    size,
    source: () => piecesOf(file),
    async read(offset, length, room = new Uint8Array(length)) {
      const bytes = room.subarray(0, length);
      return bytes.subarray(0, await readAt(file, bytes, offset));
    },
    close: () => file.close(),
  };
}

/** Opens the file at `path` if it is a regular one, which can be read more than once. */
export async function readAgain(path: string): Promise<LocalFile | undefined> {
  try {
    // Checked before opening, since opening a pipe waits for a writer. Files that the system makes up as they are
    // read, such as those in /proc, have no size.
    const found = await stat(path);
    return found.isFile() && found.size > 0 ? await readFile(path) : undefined;
  } catch {
    return undefined; // reading it reports why
  }
}

async function* piecesOf(file: FileHandle): AsyncGenerator<Uint8Array, void, undefined> {
  const piece = new Uint8Array(PIECE);
  for (let offset = 0; ; ) {
    const length = await readAt(file, piece, offset);
    if (length === 0) return;
    yield piece.subarray(0, length);
    offset += length;
  }
}

/** Fills `bytes` up to the end of the file; returns how many were filled. */
async function readAt(file: FileHandle, bytes: Uint8Array, offset: number): Promise<number> {
  let at = 0;
  while (at < bytes.length) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, offset + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return at;
}

async function writeAt(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, offset + at);
    at += bytesWritten;
  }
}

/** Creates a file next to `path`, which takes its name once it is complete and on the disk. */
export async function writeFile(path: string): Promise<Sink> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.part`;
  const file = await open(temporary, "wx");
  const remove = () => rm(temporary, { force: true });
  // Small, adjacent chunks are written together.
  const gathered = new Uint8Array(PIECE);
  let start = 0;
  let length = 0;
  const flush = async () => {
    await writeAt(file, gathered.subarray(0, length), start);
    length = 0;
  };
  return {
    async write(offset, pieces) {
      let place = offset;
      for (const bytes of pieces) {
        if (place !== start + length || length + bytes.length > PIECE) await flush();
        if (bytes.length >= PIECE / 2 && length === 0) await writeAt(file, bytes, place);
        else {
          if (length === 0) start = place;
          gathered.set(bytes, length);
          length += bytes.length;
        }
        place += bytes.length;
      }
    },
    async close(size) {
      try {
        await flush();
        await file.truncate(size);
        await file.sync();
        await file.close();
        await rename(temporary, path);
      } catch (error) {
        await remove();
        throw error;
      }
    },
    async abort() {
      await file.close();
      await remove();
    },
  };
}
