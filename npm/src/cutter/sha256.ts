// The platform's SHA-256: the CPU's instructions make it several times as fast as the module's. The addon
// uses them too and does not need the platform's.

import type { ByteArray } from "../bytes.js";

/** A digest that is being computed. */
export interface RunningDigest {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
  free?(): void;
}

let running: (() => RunningDigest) | undefined;
let none = false;
let beginWhole: ((bytes: number) => () => void) | undefined;

/** Turns the platform's hashes off, because none is faster. */
export function useNoPlatform(): void {
  none = true;
}

/** Sets how Node starts a digest. */
export function setRunningSha256(begin: () => RunningDigest): void {
  running = begin;
}

/** Calls `begin` before a chunk is hashed on another thread, and the function that it returns afterwards. */
export function observeWholeSha256(begin: (bytes: number) => () => void): void {
  beginWhole = begin;
}

/** Returns how to start a digest that takes bytes as they come. Only Node has one. */
export function runningSha256(): (() => RunningDigest) | undefined {
  return running;
}

/** Returns a function that hashes whole chunks on another thread. Pages have one in secure contexts. */
export function wholeSha256(): ((bytes: ByteArray) => Promise<ArrayBuffer>) | undefined {
  if (none) return undefined;
  const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle;
  if (subtle === undefined) return undefined;
  return (bytes) => {
    const end = beginWhole?.(bytes.length);
    const digest = subtle.digest("SHA-256", bytes);
    return end === undefined ? digest : digest.finally(end);
  };
}
