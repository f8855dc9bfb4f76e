import { invalidArgument } from "./errors.js";

/** Bytes in memory: the same as `BufferSource`, in every version of TypeScript. */
export type Bytes = ArrayBuffer | ArrayBufferView;

/** A `Uint8Array` whose buffer is not shared, in every version of TypeScript: the type is generic since 5.7. */
export type ByteArray = ReturnType<Uint8Array["slice"]>;

type Getter = (this: unknown) => unknown;
type Method = (this: unknown) => unknown;

/** Throws unless `this` is an unshared `ArrayBuffer`, from any realm. */
const bufferLength = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength")
  ?.get as Getter;
const TypedArray = Object.getPrototypeOf(Uint8Array.prototype);
/** Throws if the buffer of the typed array `this` is detached or has shrunk below it. */
const typedArrayKeys = TypedArray.keys as Method;
/** Returns the name of the typed array `this`, from any realm, or `undefined` for a `DataView`. */
const typedArrayName = Object.getOwnPropertyDescriptor(TypedArray, Symbol.toStringTag)
  ?.get as Getter;

/**
 * Returns the bytes of `data`, without copying.
 *
 * @throws {ChunkerError} `invalid_argument` if `data` is not bytes, is shared, or is detached.
 */
export function bytesOf(data: Bytes, name = "data"): ByteArray {
  const buffer: unknown = ArrayBuffer.isView(data) ? data.buffer : data;
  if (!isArrayBuffer(buffer)) {
    if (ArrayBuffer.isView(data)) {
      throw invalidArgument(
        `${name} is shared memory, which may change while it is being read: copy it first`,
      );
    }
    throw invalidArgument(`${name} is ${kindOf(data)} (expected an ArrayBuffer or a view of one)`);
  }
  try {
    if (!ArrayBuffer.isView(data)) return new Uint8Array(buffer);
    if (typedArrayName.call(data) !== undefined) typedArrayKeys.call(data);
    return new Uint8Array(buffer, data.byteOffset, data.byteLength);
  } catch (cause) {
    throw invalidArgument(`the buffer of ${name} is detached`, { cause });
  }
}

export function isBytes(value: unknown): value is Bytes {
  return ArrayBuffer.isView(value) || isArrayBuffer(value);
}

function isArrayBuffer(value: unknown): value is ArrayBuffer {
  try {
    bufferLength.call(value);
    return true;
  } catch {
    return false;
  }
}

/** Names the kind of a value, for error messages. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object")
    return typeof value === "undefined" ? "undefined" : `a ${typeof value}`;
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** Whether `a` and `b` hold the same bytes. */
export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}

/** Returns the bytes of `parts` in one buffer: that of the part itself if there is only one. */
export function whole(parts: readonly ByteArray[]): ByteArray {
  const [only] = parts;
  return only !== undefined && parts.length === 1 ? only : joined(parts);
}

/** Returns the sum of the lengths of `parts`. */
export function totalLength(parts: readonly { readonly length: number }[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

/** Returns the bytes of `parts` in a new buffer. */
export function joined(parts: readonly Uint8Array[]): ByteArray {
  const bytes = new Uint8Array(totalLength(parts));
  copyTo(bytes, parts);
  return bytes;
}

/** Copies the bytes of `parts` to the beginning of `bytes`. */
export function copyTo(bytes: Uint8Array, parts: readonly Uint8Array[]): void {
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
}

/** Returns `bytes` as lowercase hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytesOf(bytes, "bytes")) text += (byte + 0x100).toString(16).slice(1);
  return text;
}

/**
 * Returns the bytes that hexadecimal digits stand for; upper and lower case are allowed.
 *
 * @throws {ChunkerError} `invalid_argument` if `text` is anything else.
 */
export function fromHex(text: string): ByteArray {
  if (typeof text !== "string" || text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) {
    throw invalidArgument("text is not an even number of hexadecimal digits");
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
