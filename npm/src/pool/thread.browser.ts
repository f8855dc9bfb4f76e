import type { Thread } from "./thread.js";

/** Returns a worker of a page, or of a worker, as a {@link Thread}. */
export function threadOf<M, R>(
  worker: Worker,
  onReply: (reply: R) => void,
  onDeath: (cause: unknown) => void,
): Thread<M> {
  worker.onmessage = ({ data }) => onReply(data);
  worker.onmessageerror = () => onDeath(new Error("a reply could not be cloned"));
  worker.onerror = (event) => {
    event.preventDefault();
    onDeath(event.error ?? new Error(event.message || "its script could not be loaded"));
  };
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    keepAlive: () => {},
    terminate: async () => worker.terminate(),
  };
}
