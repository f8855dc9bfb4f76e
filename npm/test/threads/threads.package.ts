// The threads of the packed tarball, wherever the README says that they work.

import { ISOLATED } from "../chromium.js";
import { testEverywhere } from "../package/everywhere.js";

testEverywhere({
  name: "ThreadedChunker",
  entry: "threads",
  section: "Threads",
  headers: ISOLATED,
  find: `
const chunker = new ThreadedChunker({ threads: 2 });
const found = [];
for await (const chunk of chunker.chunks(new Blob([data]), options)) found.push(chunk);
await chunker.close();
`,
});
