// A team is one worker to those who use it, whatever becomes of its members.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { Order, Report } from "../../dist/threads/messages.js";
import { setSpawn, teamOf } from "../../dist/threads/team.js";

interface Member {
  orders: Order[];
  report: (report: Report) => void;
  die: (cause: unknown) => void;
  ended: boolean;
}

let members: Member[];
let most: number;
const instance = {
  module: new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])),
  memory: new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }),
  receiver: 1024,
};

setSpawn((report, die) => {
  if (members.length === most) throw new Error("no more workers");
  const member: Member = { orders: [], report, die, ended: false };
  members.push(member);
  return {
    post: (order) => member.orders.push(order),
    keepAlive: () => {},
    terminate: async () => {
      member.ended = true;
    },
  };
}, 4);

beforeEach(() => {
  members = [];
  most = Infinity;
});

function started() {
  const deaths: unknown[] = [];
  const replies: unknown[] = [];
  const team = teamOf(3, () => instance.module)(
    (reply) => replies.push(reply),
    (cause) => deaths.push(cause),
  );
  return { team, deaths, replies, leader: members[0] as Member };
}

/** Lets the leader start, and then every thread. */
function startAll() {
  members[0]?.report({ type: "started", instance });
  for (const { report } of members.slice(1).reverse()) report({ type: "ready" });
}

test("one member leads; when it has started, the threads help it, and then it begins", () => {
  const { team, leader, replies } = started();
  team.post({ type: "close", segment: 1 }, []);
  assert.deepEqual(leader.orders, [
    { type: "lead", threads: 3, module: instance.module },
    { type: "close", segment: 1 },
  ]);
  assert.equal(members.length, 1);
  startAll();
  assert.equal(members.length, 4);
  for (const { orders } of members.slice(1)) assert.deepEqual(orders, [{ type: "help", instance }]);
  assert.deepEqual(leader.orders.slice(2), [{ type: "begin" }]);
  const reply = { segment: 1, length: 0, records: [] };
  leader.report({ type: "reply", reply });
  assert.deepEqual(replies, [reply]);
});

test("no thread begins until the one before is ready", () => {
  const { leader } = started();
  leader.report({ type: "started", instance });
  for (let ready = 0; ready < 3; ready++) {
    const helping = members.slice(1).filter(({ orders }) => orders.length > 0);
    assert.equal(helping.length, ready + 1);
    assert.equal(leader.orders.length, 1);
    members[3 - ready]?.report({ type: "ready" });
  }
  assert.equal(leader.orders.length, 2);
});

test("the death of any member is that of the team", () => {
  for (const index of [0, 1, 3]) {
    members = [];
    const { leader, deaths } = started();
    leader.report({ type: "started", instance });
    members[index]?.die("out of order");
    assert.deepEqual(deaths, ["out of order"]);
  }
});

test("a module that does not start, and a thread that does not, is the death of the team", () => {
  const { leader, deaths } = started();
  const failure = { code: undefined, message: "no module", error: "no module" };
  leader.report({ type: "failed", failure });
  assert.deepEqual(deaths, ["no module"]);
  most = members.length + 1;
  leader.report({ type: "started", instance });
  assert.equal((deaths[1] as unknown as { code: string }).code, "worker_failed");
});

test("the end of the team is that of all its members, and no others start", async () => {
  const { team, leader } = started();
  leader.report({ type: "started", instance });
  await team.terminate();
  assert.ok(members.every(({ ended }) => ended));
  leader.report({ type: "started", instance });
  assert.equal(members.length, 4);
});
