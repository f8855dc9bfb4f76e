// Calls that JavaScript allows and the types do not.

import assert from "node:assert/strict";
import type { ChunkerError, ChunkerErrorCode } from "chunker-cdc";

export type Hostile = [what: string, call: () => unknown, code: ChunkerErrorCode];

/** Makes every call and checks that it throws an error of `classes` with its code. */
export async function assertRefused(
  cases: readonly Hostile[],
  classes: readonly (typeof ChunkerError)[],
): Promise<void> {
  for (const [what, call, code] of cases) {
    await assert.rejects(
      async () => call(),
      (error) => {
        const typed = classes.some((type) => error instanceof type);
        assert.ok(typed, `${what}: ${error}`);
        const { message, name, code: found } = error as ChunkerError;
        assert.equal(found, code, `${what}: ${message}`);
        assert.equal(name, "ChunkerError", what);
        assert.ok(message.length > 8, what);
        return true;
      },
      what,
    );
  }
}

/** A view whose memory was given away. */
export function detached(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(100);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}
