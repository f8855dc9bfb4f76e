// The page: files enter a queue, one at a time is uploaded by a worker, a card shows each.

import type { ProfileName } from "chunker-cdc";
import type { ChunkEncoding, UploadProgress } from "chunker-cdc/dedup";
import { ChunkMap } from "./chunk-map.js";
import { explain, formatBytes, formatCount, formatSeconds, formatShare } from "./format.js";
import type { FromWorker, ToWorker } from "./messages.js";
import { DEFAULT_PROFILE, PROFILES } from "./profiles.js";
import { editedCopy, sampleFile } from "./sample.js";

const library = {
  dedup: import.meta.resolve("chunker-cdc/dedup"),
  pool: import.meta.resolve("chunker-cdc/pool"),
};
/** Speed is that of so many milliseconds. */
const PACE_MS = 5_000;
/** What shows a file, by the first part of its type. */
const PREVIEWS: Readonly<Record<string, "audio" | "img" | "video">> = {
  audio: "audio",
  image: "img",
  video: "video",
};
const NO_PROGRESS: UploadProgress = {
  bytesRead: 0,
  totalBytes: undefined,
  bytesDone: 0,
  bytesInTransit: 0,
  bytesSent: 0,
  bytesOnWire: 0,
  bytesSaved: 0,
  chunks: 0,
  newChunks: 0,
  savedChunks: 0,
  retries: 0,
};

function element<T extends Element>(selector: string, within: ParentNode = document): T {
  const found = within.querySelector<T>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}

const profile = element<HTMLSelectElement>("#profile");
const compress = element<HTMLInputElement>("#compress");
const queue = element<HTMLOListElement>("#queue");
const announcer = element("#announce");

/** One file on the page. */
class Card {
  readonly root: HTMLElement;
  readonly #file: File;
  readonly #profile: ProfileName;
  readonly #compression: ChunkEncoding | undefined;
  readonly #map: ChunkMap;
  #worker: Worker | undefined;
  #isPaused = false;
  readonly #pace = new Pace();
  progress = NO_PROGRESS;

  constructor(file: File, profile: ProfileName, compression: ChunkEncoding | undefined) {
    this.#file = file;
    this.#profile = profile;
    this.#compression = compression;
    const template = element<HTMLTemplateElement>("#card").content;
    this.root = element<HTMLElement>("li", template.cloneNode(true) as DocumentFragment);
    this.#text(".name", file.name);
    this.#text(".size", formatBytes(file.size));
    this.#text(".status", "Waiting for its turn");
    element("progress", this.root).setAttribute("aria-label", `Progress of ${file.name}`);
    this.#button(".cancel", `Cancel ${file.name}`, () => this.#cancel());
    this.#button(".pause", `Pause ${file.name}`, () => this.#pause());
    this.#button(".retry", `Try ${file.name} again`, () => enqueue(this));
    this.#map = new ChunkMap(element("canvas", this.root), file.size);
    this.#describeMap();
  }

  /** Uploads the file; resolves when it is done, failed or cancelled. */
  run(): Promise<void> {
    this.root.classList.remove("failed");
    this.#show(".retry", false);
    this.#show(".cancel", true);
    this.#map.clear();
    this.progress = NO_PROGRESS;
    this.#pace.start(0);
    this.#isPaused = false;
    this.#text(".pause", "Pause");
    this.#show(".pause", true);
    this.#text(".status", "Starting");
    announce(`Uploading ${this.#file.name}`);
    const worker = new Worker(new URL("./upload-worker.js", import.meta.url), { type: "module" });
    this.#worker = worker;
    return new Promise((resolve) => {
      const end = () => {
        worker.terminate();
        this.#worker = undefined;
        this.#show(".cancel", false);
        this.#show(".pause", false);
        resolve();
      };
      worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
        if (data.type === "progress") this.#update(data.progress, data.chunks);
        else if (data.type === "waiting") this.#wait(data.delayMs);
        else {
          if (data.type === "done") this.#finish(data.root);
          else this.#fail(data.code, data.message);
          end();
        }
      };
      worker.onerror = (event) => {
        this.#fail("", event.message || "its worker could not be started");
        end();
      };
      const [file, profile, compression] = [this.#file, this.#profile, this.#compression];
      this.#tell({ type: "start", file, profile, compression, library });
    });
  }

  /** Takes the file out of the queue, or stops its upload; the worker answers that it was aborted. */
  #cancel(): void {
    if (this.#worker !== undefined) {
      this.#tell({ type: "abort" });
      return;
    }
    waiting.splice(waiting.indexOf(this), 1);
    this.#show(".cancel", false);
    this.#fail("aborted", "");
  }

  /** Stops the upload where it is, or lets it go on. */
  #pause(): void {
    this.#isPaused = !this.#isPaused;
    this.#tell({ type: this.#isPaused ? "pause" : "resume" });
    const [word, status] = this.#isPaused ? ["Resume", "Paused"] : ["Pause", "Going on"];
    const button = element<HTMLButtonElement>(".pause", this.root);
    button.textContent = word;
    button.setAttribute("aria-label", `${word} ${this.#file.name}`);
    this.#text(".status", status);
    this.#text(".speed", "–");
    const { bytesDone, bytesInTransit } = this.progress;
    this.#pace.start(bytesDone + bytesInTransit);
    announce(`${this.#file.name}: ${status}`);
  }

  #tell(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #update(progress: UploadProgress, chunks: Float64Array): void {
    this.progress = progress;
    this.#map.update(chunks);
    const { bytesRead, bytesDone, bytesInTransit, bytesSent, bytesSaved } = progress;
    const { size } = this.#file;
    const bytesPerSecond = this.#pace.at(bytesDone + bytesInTransit);
    element<HTMLProgressElement>("progress", this.root).value =
      size === 0 ? 1 : Math.min(bytesDone + bytesInTransit, size) / size;
    this.#text(".chunks", formatCount(progress.chunks));
    this.#text(".new-chunks", formatCount(progress.newChunks));
    this.#text(".sent", formatBytes(bytesSent));
    this.#text(".on-wire", formatBytes(progress.bytesOnWire));
    this.#text(".saved-bytes", formatBytes(bytesSaved));
    showTotals();
    if (this.#isPaused) return;
    this.#text(".speed", bytesPerSecond > 0 ? `${formatBytes(bytesPerSecond)}/s` : "–");
    const left = size - bytesDone - bytesInTransit;
    const time = bytesPerSecond > 0 ? `, ${formatSeconds(left / bytesPerSecond)} left` : "";
    const read = bytesRead === size ? "All read" : `${formatBytes(bytesRead)} read`;
    this.#text(".status", `${read}, ${formatBytes(bytesDone)} of ${formatBytes(size)} done${time}`);
  }

  #wait(delayMs: number): void {
    const seconds = Math.max(1, Math.round(delayMs / 1000));
    const note = `No answer from the server. Trying again in ${seconds} s`;
    this.#text(".status", note);
    announce(note);
  }

  #finish(root: string): void {
    element<HTMLProgressElement>("progress", this.root).value = 1;
    const { bytesSent } = this.progress;
    const { size, name } = this.#file;
    const saved = size - bytesSent;
    const text =
      size === 0
        ? "Done: an empty file has no chunks"
        : `Done: ${formatBytes(bytesSent)} sent, ${formatShare(Math.max(0, saved), size)} saved`;
    this.#text(".status", text);
    const link = document.createElement("a");
    link.className = "download";
    link.textContent = "Download";
    link.href = `/v1/files/${root}?name=${encodeURIComponent(name)}`;
    link.setAttribute("aria-label", `Download ${name}`);
    element(".actions", this.root).append(link);
    this.#preview(root);
    this.#describeMap();
    announce(`${name}: ${text}`);
  }

  /** Shows a picture, or plays what can be played, as the server has it. */
  #preview(root: string): void {
    const { name, type } = this.#file;
    const tag = PREVIEWS[type.split("/", 1)[0] ?? ""];
    if (tag === undefined) return;
    const preview = document.createElement(tag);
    preview.className = "preview";
    if (preview instanceof HTMLImageElement) preview.alt = name;
    else {
      preview.controls = true;
      preview.preload = "metadata";
      preview.setAttribute("aria-label", name);
    }
    preview.addEventListener("error", () => preview.remove()); // of a type that nothing here knows
    preview.src = `/v1/files/${root}?type=${encodeURIComponent(type)}`;
    this.root.append(preview);
  }

  #fail(code: string, message: string): void {
    const text = explain(code, message);
    this.root.classList.toggle("failed", code !== "aborted");
    this.#text(".status", text);
    // A file that changed stays unreadable for the page until it is chosen again.
    this.#show(".retry", !code.startsWith("source_"));
    this.#map.stop();
    this.#describeMap();
    announce(`${this.#file.name}: ${text}`);
  }

  #describeMap(): void {
    const { chunks, newChunks } = this.progress;
    const text = `Chunk map of ${this.#file.name}: ${chunks} chunks, ${newChunks} of them sent`;
    element("canvas", this.root).setAttribute("aria-label", text);
  }

  #button(selector: string, label: string, onClick: () => void): void {
    const button = element<HTMLButtonElement>(selector, this.root);
    button.setAttribute("aria-label", label);
    button.addEventListener("click", onClick);
  }

  #text(selector: string, text: string): void {
    element(selector, this.root).textContent = text;
  }

  #show(selector: string, shown: boolean): void {
    element<HTMLElement>(selector, this.root).hidden = !shown;
  }
}

/** How fast something grows, over the last seconds. */
class Pace {
  #samples: { readonly ms: number; readonly bytes: number }[] = [];

  /** Measures from now on, at `bytes`. */
  start(bytes: number): void {
    this.#samples = [{ ms: performance.now(), bytes }];
  }

  /** Returns bytes a second, now that it is at `bytes`; 0 while that cannot be told. */
  at(bytes: number): number {
    const ms = performance.now();
    this.#samples.push({ ms, bytes });
    while ((this.#samples[0]?.ms ?? ms) < ms - PACE_MS) this.#samples.shift();
    const first = this.#samples[0] as { ms: number; bytes: number };
    const seconds = (ms - first.ms) / 1000;
    return seconds < 0.2 ? 0 : Math.max(0, Math.round((bytes - first.bytes) / seconds));
  }
}

const cards: Card[] = [];
const waiting: Card[] = [];
let busy = false;

/** Puts files above those before, in their own order. */
function add(files: Iterable<File>): void {
  const before = queue.firstChild;
  for (const file of files) {
    element<HTMLElement>("#example").hidden = true;
    element<HTMLElement>("#summary").hidden = false;
    const compression = compress.checked ? "zstd" : undefined;
    const card = new Card(file, profile.value as ProfileName, compression);
    queue.insertBefore(card.root, before);
    cards.push(card);
    enqueue(card);
  }
}

function enqueue(card: Card): void {
  waiting.push(card);
  void work();
}

async function work(): Promise<void> {
  if (busy) return;
  busy = true;
  for (let card = waiting.shift(); card !== undefined; card = waiting.shift()) await card.run();
  busy = false;
}

function showTotals(): void {
  const sum = (of: (progress: UploadProgress) => number) =>
    cards.reduce((total, { progress }) => total + of(progress), 0);
  const read = sum(({ bytesRead }) => bytesRead);
  const saved = sum(({ bytesSaved }) => bytesSaved);
  element("#total-read").textContent = formatBytes(read);
  element("#total-sent").textContent = formatBytes(sum(({ bytesSent }) => bytesSent));
  element("#total-on-wire").textContent = formatBytes(sum(({ bytesOnWire }) => bytesOnWire));
  element("#total-saved").textContent = `${formatBytes(saved)} · ${formatShare(saved, read)}`;
}

function announce(text: string): void {
  announcer.textContent = text;
}

showTotals();
for (const [name, label] of Object.entries(PROFILES)) {
  profile.add(new Option(label, name, name === DEFAULT_PROFILE, name === DEFAULT_PROFILE));
}

const input = element<HTMLInputElement>("#files");
input.addEventListener("change", () => {
  add(input.files ?? []);
  // The same file, edited, can be chosen again.
  input.value = "";
});

const drop = element<HTMLElement>("#drop");
let over = 0;
for (const type of ["dragenter", "dragover", "dragleave", "drop"] as const) {
  // Anywhere on the page: a file dropped beside the target must not replace the page.
  document.addEventListener(type, (event) => {
    event.preventDefault();
    if (type === "dragenter") over += 1;
    if (type === "dragleave") over -= 1;
    if (type === "drop") {
      over = 0;
      add(event.dataTransfer?.files ?? []);
    }
    drop.classList.toggle("over", over > 0);
  });
}

const sample = element<HTMLButtonElement>("#sample");
const edited = element<HTMLButtonElement>("#edited");
let original: File | undefined;
sample.addEventListener("click", () => {
  original = sampleFile();
  add([original]);
  edited.hidden = false;
});
edited.addEventListener("click", () => {
  if (original !== undefined) add([editedCopy(original)]);
});
