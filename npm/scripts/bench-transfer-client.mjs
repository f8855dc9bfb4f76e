// The client in Node of `bench-transfer.mjs`: `bench-transfer-client.mjs PEERS PORT_OF_OURS PORT_OF_TUS`. It does
// the jobs that it is sent, and answers with their seconds.

import { createReadStream, statSync } from "node:fs";
import { get } from "node:http";
import { createRequire } from "node:module";
import { basename, resolve } from "node:path";
import { chunks } from "chunker-cdc";
import { download, HttpTransport, upload } from "chunker-cdc/dedup";

const [peers, ours, theirs] = process.argv.slice(2);
const tus = createRequire(`${resolve(peers)}/`)("tus-js-client");
const transport = new HttpTransport({ baseUrl: `http://127.0.0.1:${ours}` });

const JOBS = {
  async upload({ path, profile }) {
    const { root, bytesSent } = await upload(path, { transport, profile });
    return { root, bytesSent };
  },
  async download({ root }) {
    for await (const _ of download(root, { transport }));
  },
  async read({ path, profile }) {
    for await (const _ of chunks(path, { profile }));
  },
  async ask() {
    await transport.limits({ signal: new AbortController().signal });
  },
  tus: ({ path }) =>
    new Promise((onSuccess, onError) => {
      const endpoint = `http://127.0.0.1:${theirs}/files`;
      const done = { onSuccess: () => onSuccess({}), onError };
      const options = { endpoint, uploadSize: statSync(path).size, ...done };
      const stream = createReadStream(path, { highWaterMark: 1 << 20 });
      new tus.Upload(stream, options).start();
    }),
  get: ({ path }) =>
    new Promise((resolve, reject) => {
      get(`http://127.0.0.1:${theirs}/${basename(path)}`, (response) => {
        response.on("data", () => {}).on("end", () => resolve({}));
      }).on("error", reject);
    }),
};

process.on("message", async ({ job, ...options }) => {
  try {
    const began = performance.now();
    const result = await JOBS[job](options);
    process.send({ seconds: (performance.now() - began) / 1000, ...result });
  } catch (error) {
    process.send({ error: String(error) });
  }
});
process.send({ port: 0 });
