/** Returns a digest as a text of 32 characters, half as long as its hexadecimal digits. */
export function keyOf(digest: Uint8Array): string {
  return String.fromCharCode.apply(null, digest as unknown as number[]);
}
