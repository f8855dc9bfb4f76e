// A worker that leads and the threads that help it: to those who use it, one worker.

import { type Reply, type Request, unpackFailure } from "../pool/messages.js";
import { type Spawn, Spawner, type Thread } from "../pool/thread.js";
import type { Instance, Order, Report } from "./messages.js";

/** The workers of `chunker-wasm/threads`. */
export const { setSpawn, spawn, count } = new Spawner<Order, Report>();

/**
 * Returns what starts a team of `threads` threads. All members are workers of the calling thread:
 * that one hears of the death of any, whereas the member that leads is blocked while the threads work.
 */
export function teamOf(threads: number): Spawn<Request, Reply> {
  return (onReply, onDeath) => {
    const members: Thread<Order>[] = [];
    let ended = false;
    const start = (onReport: (report: Report) => void): Thread<Order> => {
      const member = spawn(onReport, onDeath);
      members.push(member);
      return member;
    };
    const help = (instance: Instance): void => {
      try {
        for (let thread = 0; thread < threads && !ended; thread++) {
          start(() => {}).post({ type: "help", instance }, []);
        }
      } catch (cause) {
        onDeath(cause);
      }
    };
    const leader = start((report) => {
      if (report.type === "reply") onReply(report.reply);
      else if (report.type === "started") help(report.instance);
      else onDeath(unpackFailure(report.failure));
    });
    leader.post({ type: "lead", threads }, []);
    return {
      post: leader.post,
      keepAlive: leader.keepAlive,
      async terminate() {
        ended = true;
        await Promise.all(members.map((member) => member.terminate()));
      },
    };
  };
}
