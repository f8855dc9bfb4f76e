// Files for those who have none at hand.

const SAMPLE_BYTES = 24_000_000;
/** What one call of `getRandomValues` gives at most. */
const RANDOM_BYTES = 65_536;

/** Returns a file of random bytes, new to any server, of which a codec can save half. */
export function sampleFile(): File {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let length = 0; length < SAMPLE_BYTES; length += RANDOM_BYTES) {
    const size = Math.min(RANDOM_BYTES, SAMPLE_BYTES - length);
    parts.push(crypto.getRandomValues(new Uint8Array(size)).map((byte) => byte & 0x0f));
  }
  return new File(parts, "sample.bin");
}

/** Returns `file` with a line inserted at a third and a piece removed at two thirds. */
export function editedCopy(file: File): File {
  const third = Math.floor(file.size / 3);
  const removed = 10_000;
  const parts = [
    file.slice(0, third),
    `edited ${new Date().toISOString()}\n`,
    file.slice(third, 2 * third),
    file.slice(2 * third + removed),
  ];
  return new File(parts, "sample, edited.bin");
}
