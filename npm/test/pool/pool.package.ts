// The pool of the packed tarball, wherever the README says that it works.

import { join } from "node:path";
import { test } from "node:test";
import { testEverywhere } from "../package/everywhere.js";
import { output, PACKAGE, tool } from "../package/packed.js";

const { project } = testEverywhere({
  name: "ChunkerPool",
  entry: "pool",
  section: "Several cores",
  // The input is divided among two workers.
  find: `
const pool = new ChunkerPool({ workers: 2 });
const found = await pool.chunk(data, options);
const inBlob = [];
for await (const chunk of pool.chunks(new Blob([data]), options)) inBlob.push(chunk);
await pool.close();
if (show(inBlob) !== show(found)) throw new Error("the chunks of the blob are others");
`,
});

test("TypeScript, strict: a page and Node", async () => {
  const text = `import { ChunkerPool, type PoolOptions } from "chunker-cdc/pool";
    import type { Chunk, ReadOptions } from "chunker-cdc";
    const options: PoolOptions = { workers: 2 };
    const read: ReadOptions = { profile: { minSize: 64 }, signal: new AbortController().signal };
    export async function all(file: Blob): Promise<Chunk[]> {
      const pool = new ChunkerPool(options);
      for await (const { offset } of pool.chunks(file, read)) void (offset satisfies number);
      // @ts-expect-error an unknown option
      new ChunkerPool({ threads: 2 });
      await pool[Symbol.asyncDispose]();
      return pool.chunk(new ArrayBuffer(5), read);
    }`;
  for (const [name, lib, types] of [
    ["page", ["es2022", "dom", "dom.asynciterable"], []],
    ["node", ["es2022"], ["node"]],
  ] as const) {
    const compilerOptions = {
      module: "node16",
      moduleResolution: "node16",
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      target: "es2022",
      lib,
      types,
      typeRoots: [join(PACKAGE, "node_modules/@types")],
    };
    const folder = project(`ts ${name}`, {
      "a.mts": text,
      "tsconfig.json": JSON.stringify({ compilerOptions, include: ["a.mts"] }),
    });
    await output(folder, tool("tsc"), "-p", ".");
  }
});
