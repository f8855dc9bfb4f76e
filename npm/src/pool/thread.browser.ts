import { type Inlined, textOf } from "../inline.browser.js";
import type { Spawn } from "./thread.js";

/** What a worker of a page says first: its script is there. */
export const STARTED = "started";

/**
 * Returns what starts workers of a page, or of a worker: by `start`, or where the script is not found
 * by that, with `script`.
 */
export function threadOf<M, R>(start: () => Worker, script: () => Promise<Inlined>): Spawn<M, R> {
  /** Why no worker is started by `start`. */
  let missing: { cause: unknown } | undefined;
  return (onReply, onDeath) => {
    let worker: Worker | undefined;
    let ended = false;
    /** What was posted to a worker that may not start. */
    let waiting: [message: M, transfer: ArrayBuffer[]][] | undefined = [];

    const listen = (to: Worker, onFailure: (cause: unknown) => void): void => {
      worker = to;
      to.onmessage = ({ data }) => {
        if (data !== STARTED) return onReply(data);
        for (const posted of waiting ?? []) to.postMessage(...posted);
        waiting = undefined;
      };
      to.onmessageerror = () => onDeath(new Error("a reply could not be cloned"));
      to.onerror = (event) => {
        event.preventDefault();
        const cause = event.error ?? new Error(event.message || "its script could not be loaded");
        if (waiting === undefined) onDeath(cause);
        else onFailure(cause);
      };
    };
    const startInlined = async (cause: unknown): Promise<void> => {
      worker?.terminate();
      try {
        const text = await textOf(script());
        missing = { cause };
        if (ended) return;
        const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
        listen(new Worker(url), onDeath);
      } catch {
        onDeath(cause);
      }
    };
    try {
      if (missing === undefined) listen(start(), startInlined);
      else void startInlined(missing.cause);
    } catch (cause) {
      void startInlined(cause);
    }
    return {
      post(message, transfer) {
        if (waiting === undefined) worker?.postMessage(message, transfer);
        else waiting.push([message, transfer]);
      },
      keepAlive: () => {},
      async terminate() {
        ended = true;
        worker?.terminate();
      },
    };
  };
}
