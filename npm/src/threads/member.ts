// The inside of a member of a team.

import type { Cutter } from "../cutter/types.js";
import { calling, failureOf } from "../errors.js";
import { type Cutting, packFailure } from "../pool/messages.js";
import { type ReadBlob, serving } from "../pool/worker.js";
import { initSync, initThreadPool, ParallelChunker, runThread } from "./glue.js";
import type { Order, Report } from "./messages.js";
import { setStart } from "./start-workers.js";

function createCutter({ profile, offset }: Cutting): Cutter {
  return calling(() => new ParallelChunker(profile, offset));
}

type Post = (report: Report, transfer: ArrayBuffer[]) => void;

/** Returns the handler of orders; `post` sends the reports. */
export function member(post: Post, readBlob: ReadBlob): (order: Order) => void {
  const serve = serving(
    (reply, transfer) => post({ type: "reply", reply }, transfer),
    readBlob,
    async () => createCutter,
  );
  let begin = (): void => {};
  const helped = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let started: Promise<void> | undefined;
  const lead = async (threads: number, module: WebAssembly.Module): Promise<void> => {
    try {
      initSync({ module });
      setStart((instance) => {
        post({ type: "started", instance }, []);
        return helped;
      });
      await initThreadPool(threads);
    } catch (error) {
      post({ type: "failed", failure: packFailure(failureOf(error)) }, []);
      throw error;
    }
  };
  return (order) => {
    if (order.type === "lead") started = lead(order.threads, order.module);
    else if (order.type === "help") {
      initSync(order.instance);
      post({ type: "ready" }, []);
      runThread(order.instance.receiver);
    } else if (order.type === "begin") begin();
    else
      void started?.then(
        () => serve(order),
        () => {},
      );
  };
}
