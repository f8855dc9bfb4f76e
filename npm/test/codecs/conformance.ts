// The runner of `tests/conformance/codecs.json`, for Node and for pages.

import type * as Api from "chunker-cdc/codecs";
import { type CaseFile, type Outcome, runCases } from "../case-loop.js";
import { collected, streamOf } from "./streams.js";

export const VECTORS = new URL("../../../tests/conformance/codecs.json", import.meta.url);

export type Vectors = CaseFile<Case>;

type Case =
  | { kind: "base32"; hex: string; text: string; code?: string }
  | {
      kind: "signature";
      name: string;
      seed: string;
      public_key: string;
      message: string;
      signature: string;
      code?: string;
    }
  | {
      kind: "stream";
      name: string;
      codec: Api.Codec;
      data: string;
      length: number;
      sha256: string;
      code?: string;
    }
  | {
      kind: "references";
      name: string;
      hashes: string[];
      stream: string;
      sha256: string;
      patches: string;
      code?: undefined;
    };

/** Runs every case. @throws When the number of cases is not the one the file says. */
export function runConformance(api: typeof Api, vectors: Vectors, where: string): Promise<Outcome> {
  const nameOf = (each: Case) => ("name" in each ? each.name : each.text);
  return runCases(vectors, `${where} codecs`, nameOf, (each) => differencesIn(api, each));
}

async function differencesIn(api: typeof Api, expected: Case): Promise<string[]> {
  const differences: string[] = [];
  const same = (what: string, found: unknown, wanted: unknown) => {
    if (found !== wanted) differences.push(`${what}: ${String(found)}, not ${String(wanted)}`);
  };
  switch (expected.kind) {
    case "base32": {
      const decoded = await outcome(async () => hex(await api.nixBase32Decode(expected.text)));
      same("decoded", decoded, expected.code ?? expected.hex);
      if (expected.code === undefined) {
        same("encoded", await api.nixBase32Encode(unhex(expected.hex)), expected.text);
      }
      break;
    }
    case "signature": {
      const [message, signature] = [unhex(expected.message), unhex(expected.signature)];
      const verify = async () =>
        String(await api.verify(message, signature, unhex(expected.public_key)));
      same("verified", await outcome(verify), expected.code ?? "undefined");
      if (expected.code === undefined) {
        const made = await api.sign(message, unhex(expected.seed));
        same("signature", hex(made), expected.signature);
      }
      break;
    }
    case "stream": {
      const data = Uint8Array.from(atob(expected.data), (character) => character.charCodeAt(0));
      const ways: [string, (maxOutput?: number) => Promise<Uint8Array<ArrayBuffer>>][] = [
        ["in one call", (maxOutput) => api.decompress(expected.codec, data, { maxOutput })],
        ["in pieces", (maxOutput) => inPieces(api, expected.codec, data, { maxOutput })],
      ];
      for (const [way, decompress] of ways) {
        if (expected.code !== undefined) {
          same(way, await outcome(async () => hex(await decompress())), expected.code);
          continue;
        }
        const content = async () => sha256(await decompress(expected.length));
        same(way, await outcome(content), expected.sha256);
        if (expected.length > 0) {
          const less = async () => hex(await decompress(expected.length - 1));
          same(`${way}, one byte less`, await outcome(less), "size_exceeded");
        }
      }
      break;
    }
    case "references": {
      const stream = unhex(expected.stream);
      for (const size of [1, 31, 4096]) {
        const normalizer = new api.ReferenceNormalizer(expected.hashes);
        const parts = pieces(stream, size).map((piece) => normalizer.push(piece));
        const { rest, patches } = normalizer.finish();
        const normalized = new Uint8Array(await new Blob([...parts, rest]).arrayBuffer());
        same(`normalized by ${size}`, await sha256(normalized), expected.sha256);
        same(`patches by ${size}`, hex(patches.toBytes()), expected.patches);
        const parsed = api.ReferencePatches.parse(unhex(expected.patches));
        same("the length", parsed.streamLength, stream.length);
        const restored = pieces(normalized, size).map((piece, index) =>
          parsed.restore(piece, index * size),
        );
        const whole = new Uint8Array(await new Blob(restored).arrayBuffer());
        same(`restored by ${size}`, hex(whole), expected.stream);
      }
      break;
    }
    default:
      throw new Error(`unknown kind of case: ${JSON.stringify(expected satisfies never)}`);
  }
  return differences;
}

function inPieces(
  api: typeof Api,
  codec: Api.Codec,
  data: Uint8Array<ArrayBuffer>,
  options: Api.DecompressOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  return collected(streamOf(data, 37).pipeThrough(new api.DecompressTransform(codec, options)));
}

function pieces(data: Uint8Array<ArrayBuffer>, size: number): Uint8Array<ArrayBuffer>[] {
  const count = Math.ceil(data.length / size);
  return Array.from({ length: count }, (_, index) =>
    data.subarray(index * size, (index + 1) * size),
  );
}

/** Returns what `call` returns, or the code of its error. */
async function outcome(call: () => Promise<string>): Promise<string> {
  try {
    return await call();
  } catch (error) {
    return String((error as { code?: unknown }).code ?? error);
  }
}

/** The engine's own digest: independent of what is tested. */
async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function unhex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}
