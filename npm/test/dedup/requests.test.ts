// Damaged requests, drawn at random: none makes a server fail, and none makes it store a lie.
// FUZZ_REQUESTS=100000: more of them; FUZZ_SEED=7: others.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { Manifest } from "chunker-cdc";
import { compress } from "chunker-cdc/codecs";
import { upload } from "chunker-cdc/dedup";
import { serveDisk } from "./servers.js";
import { digestHex, randomBytes, SMALL, splitMix64 } from "./support.js";

const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 1500);
const SEED = Number(process.env.FUZZ_SEED ?? 1);

/** What is put in the place of bytes: the words that a parser looks at. */
const WORDS = [
  ...["\r\n", "\r\n\r\n", "\n", "\0", " ", "%2f", "../", "?encoding=zstd&length=", "0", "-1"],
  ...[
    "99999999999999999999",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "\xff\xfe",
  ],
  ...[
    "Expect: 100-continue\r\n",
    "Content-Encoding: zstd\r\n",
    "Range: bytes=0-\r\n",
    "blake3",
    '"',
  ],
  ...[
    "HEAD",
    "GET",
    "PUT",
    "POST",
    "OPTIONS",
    "/v1/files/",
    "/v1/manifests/",
    "/v1/chunks/missing",
  ],
].map((word) => Buffer.from(word, "latin1"));

function request(method: string, path: string, body = new Uint8Array(), more = ""): Buffer {
  const length = method === "GET" ? "" : `Content-Length: ${body.length}\r\n`;
  return Buffer.concat([
    Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: x\r\n${length}${more}\r\n`),
    body,
  ]);
}

/** Replaces up to two runs of bytes by words, by nothing, by themselves twice, or by another bit. */
function damage(bytes: Buffer, draw: (below: number) => number): Buffer {
  let damaged = bytes;
  for (let times = draw(3); times > 0; times -= 1) {
    const from = draw(damaged.length);
    const run = damaged.subarray(from, from + draw(20));
    const flipped = Uint8Array.from(run, (byte) => byte ^ (1 << draw(8)));
    const instead = [
      WORDS[draw(WORDS.length)],
      new Uint8Array(),
      Buffer.concat([run, run]),
      flipped,
    ];
    const rest = damaged.subarray(from + run.length);
    damaged = Buffer.concat([damaged.subarray(0, from), instead[draw(4)] ?? run, rest]);
  }
  return damaged;
}

/** Sends bytes, and after an answer or 50 ms without one the end of the connection; returns the answer. */
async function exchange(port: number, bytes: Buffer): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("latin1").on("data", (text) => {
    answer += text;
    socket.end();
  });
  const silence = setTimeout(() => socket.end(), 50); // a server waits for the rest of a request
  socket.on("error", () => {}); // the server may close before it has read everything
  socket.write(bytes);
  await once(socket, "close");
  clearTimeout(silence);
  return answer;
}

/** Fails unless each file below chunks/ and manifests/ has the digest that it is named after. */
async function checkStore(root: string): Promise<number> {
  let checked = 0;
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || path.startsWith(join(root, "tmp"))) continue;
    const bytes = await readFile(path);
    const digests = [digestHex("sha256", bytes), digestHex("blake3", bytes)];
    assert.ok(digests.includes(entry.name), `${path} holds other bytes`);
    checked += 1;
  }
  return checked;
}

test(`${REQUESTS} damaged requests of seed ${SEED}: no failure, and no lie is stored`, {
  timeout: 60_000 + 50 * REQUESTS,
}, async (t) => {
  const limits = { maxChunkBytes: 4096, maxManifestBytes: 4096 };
  const { port, root, transport } = await serveDisk(t, { limits });
  const known = await upload(new Blob([randomBytes(900, 1)]), { transport, profile: SMALL });
  const chunk = known.manifest.chunks[0]?.hashHex;
  const bytes = randomBytes(300, 2);
  const digest = digestHex("sha256", bytes);
  const more = randomBytes(200, 3);
  const manifest = Manifest.create(SMALL, [{ hash: Buffer.from(chunk ?? "", "hex"), length: 900 }]);
  const json = Buffer.from(JSON.stringify({ hash: "sha256", digests: [digest, chunk] }));
  const text = Buffer.from("to be compressed, ".repeat(100));
  const encoded = await compress("zstd", text);
  const requests = [
    request("PUT", `/v1/chunks/sha256/${digest}`, bytes),
    request("PUT", `/v1/chunks/blake3/${digestHex("blake3", more)}`, more),
    request(
      "PUT",
      `/v1/chunks/sha256/${digestHex("sha256", text)}?encoding=zstd&length=${text.length}`,
      encoded,
    ),
    request("PUT", `/v1/manifests/${manifest.rootDigestHex}`, manifest.toBytes()),
    request("POST", "/v1/chunks/missing", json, "Content-Type: application/json\r\n"),
    request("GET", `/v1/chunks/sha256/${chunk}`),
    request("GET", `/v1/manifests/${known.rootDigest}`),
    request("GET", `/v1/files/${known.rootDigest}?name=a.bin`),
  ];

  const next = splitMix64(SEED);
  const draw = (below: number) => (below === 0 ? 0 : Number(next() % BigInt(below)));
  const statuses = new Map<string, number>();
  const one = async () => {
    const damaged = damage(requests[draw(requests.length)] as Buffer, draw);
    const answer = await exchange(port, damaged);
    const status = /^HTTP\/1\.[01] ([1-9][0-9]{2}) /.exec(answer)?.[1] ?? "none";
    assert.doesNotMatch(
      answer,
      /(^|\r\n)HTTP\/1\.1 50[0-24-9] /,
      JSON.stringify(damaged.toString("latin1")),
    );
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  for (let sent = 0; sent < REQUESTS; sent += 8) await Promise.all(Array.from({ length: 8 }, one));

  const stored = await checkStore(root);
  for (const status of ["200", "400", "404"]) assert.ok(statuses.has(status), `no ${status}`);
  const whole = await fetch(transport.fileUrl(known.rootDigest));
  assert.deepEqual(new Uint8Array(await whole.arrayBuffer()), randomBytes(900, 1));
  t.diagnostic(
    `${stored} files checked; ${JSON.stringify(Object.fromEntries([...statuses].sort()))}`,
  );
});
