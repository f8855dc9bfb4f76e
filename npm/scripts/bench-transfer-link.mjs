// A link for `bench-transfer.mjs`: `bench-transfer-link.mjs PORT RTT_MS BYTES_PER_SECOND`. Bytes arrive half
// a round trip after they were sent, and no faster than the rate, that of all connections together in one
// direction; 0 is without a limit. A connection has one round trip more to be opened.

import { connect, createServer } from "node:net";

const [port, rtt, rate] = process.argv.slice(2).map(Number);
/** Bytes on their way in one direction of a connection: a window larger than any link here needs. */
const WINDOW = 32 * 1024 * 1024;

const server = createServer({ noDelay: true }, (client) => {
  const peer = connect({ port, host: "127.0.0.1", noDelay: true });
  const opened = performance.now() + rtt;
  relay(client, peer, up, opened);
  relay(peer, client, down, 0);
});

/** When a direction is free again. */
const up = { freeAt: 0 };
const down = { freeAt: 0 };

function relay(from, to, direction, notBefore) {
  const queue = [];
  let waiting = 0;
  let timer;
  const flush = () => {
    timer = undefined;
    for (let first = queue[0]; first !== undefined; first = queue[0]) {
      const left = first.at - performance.now();
      if (left > 0.5) {
        timer = setTimeout(flush, left);
        return;
      }
      queue.shift();
      if (first.piece === undefined) to.end();
      else to.write(first.piece);
      waiting -= first.piece?.length ?? 0;
    }
    if (waiting < WINDOW) from.resume();
  };
  const push = (piece) => {
    const now = performance.now();
    if (rate > 0) {
      const ms = ((piece?.length ?? 0) / rate) * 1000;
      direction.freeAt = Math.max(direction.freeAt, now) + ms;
    }
    const at = Math.max(now, notBefore, rate > 0 ? direction.freeAt : 0) + rtt / 2;
    queue.push({ at, piece });
    waiting += piece?.length ?? 0;
    if (waiting >= WINDOW) from.pause();
    if (timer === undefined) flush();
  };
  from.on("data", push);
  from.on("end", () => push(undefined));
  from.on("error", () => to.destroy());
  from.on("close", () => {
    if (from.errored) to.destroy();
  });
  to.on("close", () => {
    clearTimeout(timer);
    from.destroy();
  });
}

server.listen(0, "127.0.0.1", () => process.send(server.address()));
