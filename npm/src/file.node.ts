import { open } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { ChunkerError } from "./errors.js";
import type { Files } from "./file.js";
import { throwIfAborted } from "./source.js";

const PIECE = 1024 * 1024;

/** The files of Node. */
export const files: Files = {
  pathOf: fileURLToPath,

  async *pieces(path, signal) {
    const file = await open(path).catch(throwIoError);
    try {
      const buffer = new Uint8Array(PIECE);
      for (;;) {
        throwIfAborted(signal);
        const { bytesRead } = await file.read(buffer, 0, PIECE).catch(throwIoError);
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  },
};

function throwIoError(cause: Error): never {
  throw new ChunkerError("io_error", cause.message, { cause });
}
