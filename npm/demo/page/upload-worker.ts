// One upload, in a worker: the page stays responsive whatever the file. The page ends it, and with it
// the workers of its pool.

import type { ChunkEvent, Upload, UploadProgress } from "chunker-cdc/dedup";
import { type FromWorker, STATES, type ToWorker } from "./messages.js";

/** The page is told at most this often. */
const REPORT_INTERVAL_MS = 60;

let upload: Upload | undefined;
/** The parts of a worker's global scope used here: the types of the DOM know only the page's. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<ToWorker>) => void;
  postMessage(message: FromWorker, transfer: Transferable[]): void;
  readonly location: Location;
};

scope.onmessage = ({ data }) => {
  if (data.type === "start") void run(data);
  else if (data.type === "pause") upload?.pause();
  else if (data.type === "resume") upload?.resume();
  else upload?.cancel();
};

async function run({ file, profile, compression, library }: Extract<ToWorker, { type: "start" }>) {
  const report = new Report();
  try {
    const dedup: typeof import("chunker-cdc/dedup") = await import(library.dedup);
    const { ChunkerPool }: typeof import("chunker-cdc/pool") = await import(library.pool);
    upload = new dedup.Upload(file, {
      transport: new dedup.HttpTransport({ baseUrl: scope.location.origin }),
      profile,
      compression,
      pool: new ChunkerPool(),
      onProgress: (progress) => report.add(progress),
      onChunk: (event) => report.addChunk(event),
      retry: { onRetry: ({ delayMs }) => send({ type: "waiting", delayMs }) },
    });
    const { root } = await upload.done;
    report.flush();
    send({ type: "done", root });
  } catch (error) {
    report.flush();
    const { code = "", message = String(error) } = error as { code?: string; message?: string };
    send({ type: "failed", code: String(code), message });
  }
}

/** Events of a moment, sent together. */
class Report {
  #progress: UploadProgress | undefined;
  #chunks: number[] = [];
  #sentAt = 0;

  add(progress: UploadProgress): void {
    this.#progress = progress;
    if (performance.now() - this.#sentAt >= REPORT_INTERVAL_MS) this.flush();
  }

  addChunk({ index, offset, length, state }: ChunkEvent): void {
    this.#chunks.push(index, offset, length, STATES.indexOf(state));
  }

  flush(): void {
    if (this.#progress === undefined) return;
    const chunks = new Float64Array(this.#chunks);
    send({ type: "progress", progress: this.#progress, chunks }, [chunks.buffer]);
    this.#chunks = [];
    this.#sentAt = performance.now();
  }
}

function send(message: FromWorker, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}
