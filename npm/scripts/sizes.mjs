// Prints what the WebAssembly modules and their JavaScript weigh: `npm run sizes`.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

/** A module is downloaded as it is; so is the glue that calls it. */
const MODULES = {
  "default module": ["chunker.wasm", "glue.js"],
  "default module, simd128": ["chunker-simd128.wasm", "glue.js"],
  codecs: ["chunker-codecs.wasm", "codecs/glue.js"],
  threads: ["chunker-threads.wasm", "threads/glue.js"],
  debug: ["chunker-debug.wasm", "debug/glue.js"],
};

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
console.log(
  `${"with glue, in bytes".padEnd(24)} ${"raw".padStart(9)} ${"gzip".padStart(9)} ${"brotli".padStart(9)}`,
);
for (const [name, files] of Object.entries(MODULES)) {
  const contents = files.map((file) => readFileSync(dist + file));
  const sum = (size) => contents.reduce((all, content) => all + size(content).length, 0);
  const sizes = [
    sum((content) => content),
    sum((content) => gzipSync(content, { level: 9 })),
    sum((content) => brotliCompressSync(content)),
  ];
  console.log(`${name.padEnd(24)} ${sizes.map((size) => String(size).padStart(9)).join(" ")}`);
}
