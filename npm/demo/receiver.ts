// The receiving side of the demo. It runs in its own process so that it does not share a thread with the client.
// `receiver.js OPTIONS` sends its addresses to the parent process, and exits when the parent does.

import { Store } from "chunker-cdc/dedup/server";
import { startPlainServer } from "./plain.js";
import { type DemoServerOptions, startServer } from "./server.js";

/** The options, as JSON. */
export interface ReceiverOptions {
  /** The store's folder. */
  readonly store: string;
  /** Whether the store outlives the demo. */
  readonly isKept: boolean;
  readonly port: DemoServerOptions["port"];
  /** The file that plain uploads are written to. */
  readonly plainFile: string;
}

/** What the parent process receives. */
export type ReceiverMessage =
  | { readonly url: string; readonly plainUrl: string }
  | { readonly error: string };

const tell = (message: ReceiverMessage) => process.send?.(message);
process.on("disconnect", () => process.exit());
if (!process.connected) process.exit();
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) process.on(signal, () => {}); // the parent process decides
try {
  const options: ReceiverOptions = JSON.parse(process.argv[2] ?? "");
  const store = await Store.open(options.store, options.isKept ? {} : { cache: false });
  const { url } = await startServer({ store, port: options.port });
  tell({ url, plainUrl: await startPlainServer(options.plainFile) });
} catch (error) {
  tell({ error: error instanceof Error ? error.message : String(error) });
}
