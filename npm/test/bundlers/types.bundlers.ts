// The types of the packed tarball, for old compilers and by a checker of such packages.

import { after, before, test } from "node:test";
import { NODE10, RESOLUTIONS, typeScriptProject } from "../package/consumer.js";
import { output, type Packed, pack } from "../package/packed.js";
import { fileOf, install, projectOf } from "./tools.js";

let packed: Packed;
let tools: string;

before(async () => {
  packed = await pack();
  install(packed);
  tools = projectOf("types");
});

after(() => packed?.[Symbol.dispose]());

for (const [version, compiler] of [
  ["5.4", "typescript"],
  ["5.9", "typescript5"],
] as const) {
  for (const [name, options, file, text] of [...RESOLUTIONS, NODE10]) {
    test(`TypeScript ${version}, strict, libraries checked: ${name}`, async () => {
      const folder = packed.project(
        `ts ${version} ${name}`,
        typeScriptProject(options, file, text),
      );
      await output(folder, "node", fileOf(tools, compiler, "bin/tsc"), "-p", ".");
    });
  }
}

test("the checker of types finds no fault in any entry with types", async () => {
  const checker = fileOf(tools, "@arethetypeswrong/cli", "dist/index.js");
  const files = ["core.wasm", "core-simd128.wasm", "codecs.wasm", "threads.wasm", "debug.wasm"];
  await output(tools, "node", checker, packed.tarball, "--exclude-entrypoints", ...files);
});
