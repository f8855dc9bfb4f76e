// Files of the package inside of JavaScript: in Node there are no others, so that no bundler, archive
// or test runner can lose one.

import { gunzipSync } from "node:zlib";

/** Returns the bytes of a module that is text by gzip and base64. */
export function unpacked(text: string): Uint8Array {
  return gunzipSync(Buffer.from(text, "base64"));
}
