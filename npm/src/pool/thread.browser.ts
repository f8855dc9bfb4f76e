import { type Inlined, textOf } from "../inline.browser.js";
import { STARTED } from "./messages.js";
import type { Spawn } from "./thread.js";

/**
 * Returns what starts workers of a page, or of a worker: by `start`, or where that finds no script, by
 * the text of it.
 */
export function threadOf<M, R>(
  start: () => Worker,
  scriptFile: () => Promise<Inlined>,
): Spawn<M, R> {
  /** The address of the text, and why it is needed. */
  let inlined: { url: string; cause: unknown } | undefined;
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
        if (inlined === undefined) {
          const script = new Blob([await textOf(scriptFile())], { type: "text/javascript" });
          inlined = { url: URL.createObjectURL(script), cause };
        }
        if (!ended) listen(new Worker(inlined.url), onDeath);
      } catch {
        onDeath(cause);
      }
    };
    try {
      if (inlined === undefined) listen(start(), startInlined);
      else void startInlined(inlined.cause);
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
