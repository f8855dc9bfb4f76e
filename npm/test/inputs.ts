// The inputs of the conformance vectors: `tests/conformance/README.md` describes each kind.

export type Input =
  | { kind: "hex"; hex: string }
  | { kind: "constant"; byte: number; length: number }
  | { kind: "periodic"; hex: string; length: number }
  | { kind: "random"; seed: number; length: number }
  | { kind: "text"; seed: number; length: number }
  | { kind: "sparse"; seed: number; every: number; length: number }
  | { kind: "concat"; parts: Input[] };

const ALPHABET = new TextEncoder().encode(
  "etaoin shrdlu,cmfwyp.vbgkqjxz\nETAOIN SHRDLU-CMFWYP!VBGKQJXZ0123\t",
);

/** Returns the bytes of `input`. */
export function bytesOf(input: Input): Uint8Array<ArrayBuffer> {
  switch (input.kind) {
    case "hex":
      return unhex(input.hex);
    case "constant":
      return new Uint8Array(input.length).fill(input.byte);
    case "periodic": {
      const period = unhex(input.hex);
      return new Uint8Array(input.length).map((_, i) => period[i % period.length] ?? 0);
    }
    case "random":
      return splitMix64(input.seed, input.length);
    case "text":
      return splitMix64(input.seed, input.length).map((byte) => ALPHABET[byte % 64] ?? 0);
    case "sparse":
      return splitMix64(input.seed, input.length).map((byte, i) => (i % input.every ? 0 : byte));
    case "concat": {
      const parts = input.parts.map(bytesOf);
      const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      return all;
    }
    default:
      throw new Error(`unknown kind of input: ${JSON.stringify(input satisfies never)}`);
  }
}

/** SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), little-endian. */
export function splitMix64(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const words = new BigUint64Array(Math.ceil(length / 8));
  let state = BigInt(seed);
  for (let i = 0; i < words.length; i++) {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    words[i] = z ^ (z >> 31n);
  }
  return new Uint8Array(words.buffer, 0, length);
}

function unhex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}
