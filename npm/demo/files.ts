// Uploading a file of this machine, and comparing what comes back with it.

import { open, stat } from "node:fs/promises";
import { basename } from "node:path";
import {
  type ChunkEncoding,
  download,
  HttpTransport,
  type UploadResult,
  upload,
} from "chunker-cdc/dedup";
import { DEFAULT_PROFILE } from "./page/profiles.js";

/** Uploads the file at `path` with the page's profile. */
export async function uploadFile(
  path: string,
  url: string,
  compression: ChunkEncoding | undefined,
  signal: AbortSignal,
): Promise<{ name: string; result: UploadResult; seconds: number }> {
  const name = basename(path);
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) throw new Error(`${path} is not a file`);
  const transport = new HttpTransport({ baseUrl: url });
  const started = performance.now();
  const result = await upload(path, { transport, profile: DEFAULT_PROFILE, compression, signal });
  return { name, result, seconds: (performance.now() - started) / 1000 };
}

/** Downloads the file named `root` and returns whether it has exactly the bytes of the file at `path`. */
export async function isSameFile(
  path: string,
  root: string,
  url: string,
  signal: AbortSignal,
): Promise<boolean> {
  const transport = new HttpTransport({ baseUrl: url });
  const file = await open(path);
  try {
    let position = 0;
    for await (const piece of download(root, { transport, signal })) {
      const { buffer, bytesRead } = await file.read(
        Buffer.alloc(piece.length),
        0,
        piece.length,
        position,
      );
      if (bytesRead !== piece.length || !buffer.equals(piece)) return false;
      position += bytesRead;
    }
    return position === (await file.stat()).size;
  } finally {
    await file.close();
  }
}
