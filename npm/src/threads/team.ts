// A worker that leads and the threads that help it: to those who use it, one worker.

import { type Reply, type Request, unpackFailure } from "../pool/messages.js";
import { type Spawn, Spawner, type Thread } from "../pool/thread.js";
import type { Instance, Order, Report } from "./messages.js";

/** The workers of `chunker-cdc/threads`. */
export const { setSpawn, spawn, count } = new Spawner<Order, Report>();

/**
 * Returns what starts a team of `threads` threads, each with `module`. All members are workers of the calling thread:
 * that one hears of the death of any, whereas the member that leads is blocked while the threads work.
 *
 * They begin one after another, and the leader last: V8 may give a thread that is beginning while
 * another lets the memory grow the length of before, and what the thread is then given lies outside.
 */
export function teamOf(threads: number, module: () => WebAssembly.Module): Spawn<Request, Reply> {
  return (onReply, onDeath) => {
    const members: Thread<Order>[] = [];
    let ended = false;
    const start = (onReport: (report: Report) => void): Thread<Order> => {
      const member = spawn(onReport, onDeath);
      members.push(member);
      return member;
    };
    const help = (instance: Instance): void => {
      const waiting: Thread<Order>[] = [];
      const next = (): void => {
        if (ended) return;
        const helper = waiting.pop();
        if (helper === undefined) leader.post({ type: "begin" }, []);
        else helper.post({ type: "help", instance }, []);
      };
      try {
        for (let thread = 0; thread < threads && !ended; thread++) waiting.push(start(next));
      } catch (cause) {
        onDeath(cause);
        return;
      }
      next();
    };
    const leader = start((report) => {
      if (report.type === "reply") onReply(report.reply);
      else if (report.type === "started") help(report.instance);
      else if (report.type === "failed") onDeath(unpackFailure(report.failure));
    });
    leader.post({ type: "lead", threads, module: module() }, []);
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
