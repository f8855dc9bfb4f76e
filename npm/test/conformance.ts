// The runner of `tests/conformance/vectors.json`, for Node and for pages.

import type * as Api from "chunker-cdc";
import { type CaseFile, type Outcome, runCases } from "./case-loop.js";
import { bytesOf, type Input } from "./inputs.js";

export type Vectors = CaseFile<Case>;

interface Case {
  name: string;
  input: Input;
  length: number;
  input_sha256: string;
  min_size: number;
  avg_size: number;
  max_size: number;
  /** The normalization level; 1 when it is not there. */
  level?: number;
  /** A decimal; 0 when it is not there. */
  seed?: string;
  /** The profile id without its hash. */
  profile: string;
  chunks: [offset: number, length: number][];
  sha256: string[];
  blake3: string[];
  manifest_root: { sha256: string; blake3: string };
}

/**
 * Runs every case with both digests, in one call and pushed in odd pieces.
 *
 * @throws When the number of cases is not the one the file says, or an input is generated wrongly.
 */
export function runConformance(api: typeof Api, vectors: Vectors, where: string): Promise<Outcome> {
  const nameOf = ({ name }: Case) => name;
  return runCases(vectors, where, nameOf, (each) => differencesIn(api, each));
}

async function differencesIn(api: typeof Api, expected: Case): Promise<string[]> {
  const data = bytesOf(expected.input);
  if (data.length !== expected.length || (await sha256(api, data)) !== expected.input_sha256) {
    throw new Error(`${expected.name}: the input is not the one of the vectors`);
  }
  const fields = {
    minSize: expected.min_size,
    avgSize: expected.avg_size,
    maxSize: expected.max_size,
    ...(expected.level !== undefined && { level: expected.level }),
    ...(expected.seed !== undefined && { seed: BigInt(expected.seed) }),
  };
  const differences: string[] = [];
  const same = (what: string, found: unknown, wanted: unknown) => {
    if (JSON.stringify(found) !== JSON.stringify(wanted)) differences.push(what);
  };
  for (const hash of ["sha256", "blake3"] as const) {
    const profile = { ...fields, hash };
    const id = await api.profile(profile);
    const wanted = expected.chunks.map(([offset, length], index) => ({
      hash: expected[hash][index],
      offset,
      length,
    }));
    const found = await api.chunk(data, { profile });
    same(`${hash} in one call`, found, wanted);
    same(`${hash} in pieces`, pushed(api, data, id), wanted);
    same(`${hash} profile`, id, `${expected.profile}/${hash}`);
    const root = api.Manifest.create(profile, found).rootDigestHex;
    same(`${hash} manifest`, root, expected.manifest_root[hash]);
  }
  return differences;
}

function pushed(api: typeof Api, data: Uint8Array, profile: string): Api.Chunk[] {
  const piece = Math.max(1, (data.length >> 3) | 1);
  const chunker = new api.Chunker({ profile });
  const found: Api.Chunk[] = [];
  for (let at = 0; at < data.length; at += piece) {
    found.push(...chunker.feed(data.subarray(at, at + piece)));
  }
  return [...found, ...chunker.finish()];
}

/** The engine's own digest: independent of what is tested. */
async function sha256(api: typeof Api, data: Uint8Array<ArrayBuffer>): Promise<string> {
  return api.toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
}
