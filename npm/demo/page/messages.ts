// What the page and the worker of an upload say to each other.

import type { ProfileName } from "chunker-cdc";
import type { ChunkEncoding, ChunkState, UploadProgress } from "chunker-cdc/dedup";

/** Page to worker. The first message starts the upload. */
export type ToWorker =
  | {
      readonly type: "start";
      readonly file: File;
      readonly profile: ProfileName;
      readonly compression: ChunkEncoding | undefined;
      /** Where the library is: a worker has no import map. */
      readonly library: { readonly dedup: string; readonly pool: string };
    }
  | { readonly type: "pause" | "resume" | "abort" };

/** Worker to page. */
export type FromWorker =
  | {
      readonly type: "progress";
      readonly progress: UploadProgress;
      /** Per event: index, offset, length and a number in {@link STATES}. */
      readonly chunks: Float64Array<ArrayBuffer>;
    }
  | { readonly type: "waiting"; readonly delayMs: number }
  | { readonly type: "done"; readonly root: string }
  | { readonly type: "failed"; readonly code: string; readonly message: string };

/** The states of a chunk, by number. */
export const STATES: readonly ChunkState[] = ["found", "known", "duplicate", "sending", "sent"];
