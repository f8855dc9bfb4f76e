// A server as a process of its own, which prints its URL: `server-process.js [--port PORT] [--token TOKEN] STORE`.

import { parseArgs } from "node:util";
import { createUploadServer, Refusal, type UploadServerOptions } from "chunker-cdc/dedup/server";

const options = { port: { type: "string" }, token: { type: "string" } } as const;
const { values, positionals } = parseArgs({ options, allowPositionals: true });
const { port = "0", token } = values;
const authorize: UploadServerOptions["authorize"] = ({ headers }) => {
  const challenge = { "www-authenticate": "Bearer" };
  if (headers.authorization !== `Bearer ${token}`) {
    throw new Refusal(401, "unauthorized", undefined, challenge);
  }
};
const { url } = await createUploadServer({
  store: positionals[0] ?? "",
  port: Number(port),
  ...(token === undefined ? {} : { authorize }),
});
console.log(url);
