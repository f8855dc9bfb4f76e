// A program that uses all types of the package, and the ways in which TypeScript resolves them.

import { join } from "node:path";
import { PACKAGE } from "./packed.js";

/** Uses everything there is, as a page and as Node would. */
const CONSUMER = `
import { chunk, Chunk, Chunker, ChunkerError, type ChunkerOptions, chunks, chunksWithPayload, ChunkTransform, digest,
  fromHex, Hasher, Manifest, profile, ready, toHex, type ByteSource, type ChunkerErrorCode,
  type HashAlgorithm, type ProfileInput } from "chunker-cdc";
import { compress, type Codec, CompressTransform, type DecompressOptions, DecompressTransform,
  generateKeypair, NarInfo, NixSecretKey, signManifest, verify } from "chunker-cdc/codecs";
import * as inline from "chunker-cdc/inline";

export async function packed(source: ReadableStream<Uint8Array>, codec: Codec): Promise<string> {
  const limits: DecompressOptions = { maxOutput: 5, maxWindowLog: 20 };
  const streamed: ReadableStream<Uint8Array> = source
    .pipeThrough(new CompressTransform(codec, { level: 1 }))
    .pipeThrough(new DecompressTransform(codec, limits));
  const bytes: Uint8Array = await compress("zstd", new ArrayBuffer(1), { dictionary: new Uint8Array(9) });
  const { secretKey, publicKey } = await generateKeypair();
  await verify(bytes, await signManifest(Manifest.create({}, []), secretKey), publicKey);
  // @ts-expect-error an unknown codec
  await compress("gzip", bytes);
  void streamed;
  const narInfo = new NarInfo({ storePath: "", narHash: bytes, narSize: 1 });
  return NixSecretKey.create("name", secretKey).sign(narInfo) + narInfo.fingerprint;
}

const input: ProfileInput = { minSize: 64, seed: 2n ** 63n, hash: "blake3" };
const options: ChunkerOptions = { profile: input };
const hash: HashAlgorithm = "sha256";
export async function all(source: ByteSource, signal: AbortSignal): Promise<string> {
  await ready();
  const found: Chunk[] = await chunk(new Uint8Array(5), options);
  for await (const { offset, length, hash } of chunks(source, { signal })) {
    const place: [number, number, Uint8Array] = [offset, length, hash];
    void place;
  }
  for await (const { chunk, payload } of chunksWithPayload(new Blob([]), {
    onProgress: ({ bytesRead, totalBytes }) => void (bytesRead + (totalBytes ?? 0)),
  })) {
    new Blob([payload]);
    await fetch(chunk.hashHex, { method: "PUT", body: payload });
  }
  const chunker = new Chunker({ offset: 0 });
  chunker.feed(new DataView(new ArrayBuffer(1)));
  chunker[Symbol.dispose]();
  const bytes = new ReadableStream<Uint8Array>();
  for await (const chunk of chunks(bytes)) void chunk.length;
  void bytes.pipeThrough(new ChunkTransform(options));
  const manifest: Manifest = Manifest.parse(Manifest.create(input, found).toBytes(), { maxBytes: 9 });
  const code: ChunkerErrorCode = new ChunkerError("aborted", "message").code;
  new Hasher(hash).update(fromHex("00")).finalize();
  // @ts-expect-error an unknown field of a profile
  await chunk(new Uint8Array(5), { profile: { minsize: 64 } });
  // @ts-expect-error an unknown hash algorithm
  await digest("md5", new Uint8Array(5));
  void [inline.chunks, code, toHex(await digest(hash, new ArrayBuffer(1)))];
  return manifest.profile + (await profile(input)) + (await profile("medium"));
}
`;
const IN_NODE = `${CONSUMER}
import { Readable } from "node:stream";
import { createUploadHandler } from "chunker-cdc/dedup/server";
import * as dedup from "chunker-cdc/dedup";
import { ChunkerPool } from "chunker-cdc/pool";
import { ThreadedChunker } from "chunker-cdc/threads";
import { debug, type DebugOptions } from "chunker-cdc/debug";
const debugging: DebugOptions = { level: "info", console: false };
export const more = [chunks(Readable.from([])), createUploadHandler, dedup, ChunkerPool, ThreadedChunker, debug(debugging)];
`;
const IN_PAGE = `${CONSUMER}
import { upload } from "chunker-cdc/dedup";
import { ChunkerPool } from "chunker-cdc/pool";
import { ThreadedChunker } from "chunker-cdc/threads";
import { debug, type DebugOptions } from "chunker-cdc/debug";
const debugging: DebugOptions = { level: "info", console: false };
export const more = [chunks(new File([], "file")), upload, ChunkerPool, ThreadedChunker, debug(debugging)];
`;

const BUNDLER = { module: "esnext", moduleResolution: "bundler" };
const NODE16 = { module: "node16", moduleResolution: "node16" };
const NODENEXT = { module: "nodenext", moduleResolution: "nodenext" };
const NODE_ONLY = { lib: ["es2022"], types: ["node"] };
const PAGE_ONLY = { lib: ["es2022", "dom", "dom.asynciterable"], types: [] };

type Resolution = [name: string, options: object, file: string, text: string];

/** Each with the libraries of its environment alone. */
export const RESOLUTIONS: Resolution[] = [
  ["a page, by a bundler", { ...BUNDLER, ...PAGE_ONLY }, "consumer.ts", IN_PAGE],
  ["Node, by a bundler", { ...BUNDLER, ...NODE_ONLY }, "consumer.ts", IN_NODE],
  ["node16, ESM", { ...NODE16, ...NODE_ONLY }, "consumer.mts", IN_NODE],
  ["node16, CommonJS", { ...NODE16, ...NODE_ONLY }, "consumer.cts", IN_NODE],
  ["nodenext, ESM", { ...NODENEXT, ...NODE_ONLY }, "consumer.mts", IN_NODE],
  ["nodenext, CommonJS", { ...NODENEXT, ...NODE_ONLY }, "consumer.cts", IN_NODE],
];

/** What TypeScript has given up in version 7. */
export const NODE10: Resolution = [
  "node10",
  { module: "commonjs", moduleResolution: "node10", ...NODE_ONLY },
  "consumer.ts",
  IN_NODE,
];

/** The files of a project that is checked strictly, with the declarations of its libraries. */
export function typeScriptProject(
  options: object,
  file: string,
  text: string,
): Record<string, string> {
  const compilerOptions = {
    ...options,
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    target: "es2022",
    typeRoots: [join(PACKAGE, "node_modules/@types")],
  };
  return {
    [file]: text,
    "tsconfig.json": JSON.stringify({ compilerOptions, include: [file] }),
  };
}
