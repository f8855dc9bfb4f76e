// Runs servers, clients, collectors and checks on one store, kills each of them at random moments, and
// checks that nothing is lost: `node scripts/soak-transfer.mjs CHUNKER STORE MINUTES COMMAND...`. CHUNKER is the
// command `chunker`, STORE a path or URL; each COMMAND, run as `COMMAND --port PORT STORE`, starts a server and
// prints its address, and `serve` stands for that of the command.
//
// A client uploads files, reads those of others and deletes some, each through a server that it chooses for every
// job. A file counts as stored once `upload` has resolved, until its deletion begins. At the end every such file
// must be there byte for byte, and `check --read-data` must find the store sound.

import { execFile, fork } from "node:child_process";
import { createCipheriv, createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { deleteFile, download, HttpTransport, upload } from "chunker-cdc/dedup";
import { startServer } from "./server-command.mjs";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Returns the bytes of file `number`: many are edited copies of one of eight, which they share chunks with. */
function content(number) {
  const noise = (key, length) =>
    createCipheriv("aes-128-ctr", createHash("md5").update(key).digest(), Buffer.alloc(16)).update(
      Buffer.alloc(length),
    );
  const own = noise(`own ${number}`, 64 * KIB + ((number * 7919) % (256 * KIB)));
  const base = noise(`base ${number % 8}`, MIB * (1 + (number % 4)));
  const at = (number * 104729) % base.length;
  return Buffer.concat([base.subarray(0, at), own, base.subarray(at)]);
}

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function restored(root, baseUrl) {
  const hash = createHash("sha256");
  const transport = new HttpTransport({ baseUrl });
  for await (const piece of download(root, { transport })) hash.update(piece);
  return hash.digest("hex");
}

/** Does the jobs that it is sent, until it is killed. */
function client() {
  const jobs = {
    async upload({ number, url }) {
      const transport = new HttpTransport({ baseUrl: url });
      const { root } = await upload(content(number), { transport, profile: "small" });
      return { root };
    },
    async read({ root, number, url }) {
      return { isSame: (await restored(root, url)) === sha256(content(number)) };
    },
    async delete({ root, url }) {
      await deleteFile(root, { transport: new HttpTransport({ baseUrl: url }) });
      return {};
    },
  };
  process.on("disconnect", () => process.exit());
  process.on("message", async ({ job, ...details }) => {
    try {
      process.send({ result: await jobs[job](details) });
    } catch (error) {
      process.send({ code: error.code ?? "none", text: String(error.stack) });
    }
  });
}

if (process.argv[2] === "--client") client();
else await soak();

async function soak() {
  const [chunker, store, minutes, ...commands] = process.argv.slice(2);
  if (commands.length === 0) {
    console.error("usage: soak-transfer.mjs CHUNKER STORE MINUTES COMMAND...");
    process.exit(1);
  }
  const end = Date.now() + Number(minutes) * 60_000;
  const running = () => Date.now() < end;
  const stored = new Map();
  const counts = {};
  const failures = [];
  const memory = new Map();
  let unique = 0;
  const count = (what, number = 1) => {
    counts[what] = (counts[what] ?? 0) + number;
  };
  const fail = (text) => {
    failures.push(text);
    console.error(`soak-transfer: ${text}`);
  };

  /** Notes what a server holds: after the first seconds, the last time, and at most. */
  function noteMemory({ command, running }) {
    const bytes = running.resident();
    const { first = bytes, most = 0 } = memory.get(command) ?? {};
    memory.set(command, { first, last: bytes, most: Math.max(most, bytes) });
  }

  const servers = commands.map((command) => ({ command, running: undefined }));

  /** Starts a server, at the address that it had before, unless another socket has been given its port. */
  async function start(self) {
    const port = self.running ? new URL(self.running.url).port : "0";
    const own = `${chunker} --store "$2" serve --listen "127.0.0.1:$1"`;
    const line = self.command === "serve" ? own : `${self.command} --port "$1" "$2"`;
    self.running = await startServer(line, port, store).catch(() => startServer(line, "0", store));
  }

  async function server(self) {
    while (running()) {
      await sleep(2000 + Math.random() * 15_000);
      if (!running()) break;
      noteMemory(self);
      self.running.kill("SIGKILL");
      await self.running.ended;
      count("servers killed");
      await sleep(Math.random() * 500);
      await start(self);
    }
  }

  async function clientOf() {
    let worker;
    const ask = (job) =>
      new Promise((resolve) => {
        worker ??= fork(fileURLToPath(import.meta.url), ["--client"]);
        const self = worker;
        const killed =
          Math.random() < 0.25 ? setTimeout(() => self.kill("SIGKILL"), Math.random() * 1500) : 0;
        const settle = (answer) => {
          clearTimeout(killed);
          self.removeAllListeners();
          // One that was killed may have answered just before.
          if (answer === undefined || self.killed) {
            count("clients killed");
            worker = undefined;
          }
          resolve(answer);
        };
        self.once("message", settle).once("exit", () => settle(undefined));
        self.send({ ...job, url: servers[Math.floor(Math.random() * servers.length)].running.url });
      });
    const mine = [];
    while (running()) {
      const choice = Math.random();
      if (mine.length < 4 || (choice < 0.45 && mine.length < 40)) {
        unique += 1;
        const number = unique;
        const answer = await ask({ job: "upload", number });
        if (answer?.result) {
          stored.set(answer.result.root, number);
          mine.push(answer.result.root);
          count("uploads");
        } else if (answer) failed("upload", answer);
      } else if (choice < 0.85) {
        const [root, number] = [...stored][Math.floor(Math.random() * stored.size)];
        const answer = await ask({ job: "read", root, number });
        if (answer?.result) {
          count("downloads");
          if (!answer.result.isSame) fail(`${root} is not file ${number}`);
        } else if (answer && stored.has(root)) failed(`read of ${root}`, answer);
      } else {
        const root = mine.splice(Math.floor(Math.random() * mine.length), 1)[0];
        stored.delete(root);
        const answer = await ask({ job: "delete", root });
        if (answer?.result) count("deletions");
        else if (answer) failed(`deletion of ${root}`, answer);
      }
    }
    worker?.kill();
  }

  /** A server that is killed, again and again, may exhaust the retries of a client; nothing else may. */
  function failed(what, { code, text }) {
    if (code === "network_error") count("given up");
    else fail(`${what}: ${code}: ${text}`);
  }

  function run(...args) {
    return new Promise((resolve) => {
      const child = execFile(
        chunker,
        ["--json", "--store", store, ...args],
        (error, out, errors) => {
          clearTimeout(killed);
          if (error?.signal === "SIGKILL") resolve("killed");
          else resolve(error ? `${args[0]}: ${out}${errors}` : undefined);
        },
      );
      const killed = setTimeout(
        () => child.kill("SIGKILL"),
        running() ? 3000 * (Math.random() + 0.3) : 2 ** 30,
      );
    });
  }

  async function keeper(what, ...args) {
    while (running()) {
      const wrong = await run(what, ...args);
      count(wrong === "killed" ? `${what} killed` : what);
      if (wrong !== undefined && wrong !== "killed") fail(wrong);
      await sleep(Math.random() * 2000);
    }
  }

  for (const each of servers) await start(each);
  const clients = Array.from({ length: 6 }, clientOf);
  await Promise.all([
    ...servers.map(server),
    ...clients,
    keeper("gc", "--min-age", "20s", "--max-waste", "5"),
    keeper("check"),
  ]);
  for (const [root, number] of stored) {
    const url = servers[number % servers.length].running.url;
    const found = await restored(root, url).catch((error) => `${error.code} ${error}`);
    if (found !== sha256(content(number))) fail(`${root} of file ${number} is lost: ${found}`);
  }
  const wrong = await run("check", "--read-data");
  if (wrong !== undefined) fail(wrong);
  console.log(
    `${minutes} minutes: ${JSON.stringify(counts)}; ${stored.size} files at the end, ${failures.length} failures`,
  );
  const mebibytes = (bytes) => `${Math.round(bytes / MIB)} MiB`;
  for (const [command, { first, last, most }] of memory)
    console.log(
      `${command}: ${mebibytes(first)} at first, ${mebibytes(last)} at last, ${mebibytes(most)} at most`,
    );
  process.exit(failures.length === 0 ? 0 : 1);
}
