// SHA-256 of the platform: the processor's instructions make it several times as fast as the module's.
// The addon has these too, and needs none of the platform.

import type { ByteArray } from "../bytes.js";

/** A digest in the making. */
export interface RunningDigest {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
  free?(): void;
}

let running: (() => RunningDigest) | undefined;
let none = false;

/** Says that nothing of the platform is faster. */
export function useNoPlatform(): void {
  none = true;
}

/** Says how Node begins a digest. */
export function setRunningSha256(begin: () => RunningDigest): void {
  running = begin;
}

/** How to begin a digest that takes bytes as they come: only Node has it. */
export function runningSha256(): (() => RunningDigest) | undefined {
  return running;
}

/** What hashes whole chunks, on a thread of its own: pages have it where they are secure contexts. */
export function wholeSha256(): ((bytes: ByteArray) => Promise<ArrayBuffer>) | undefined {
  if (none) return undefined;
  const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle;
  return subtle && ((bytes) => subtle.digest("SHA-256", bytes));
}
