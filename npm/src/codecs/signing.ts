import { type ByteArray, type Bytes, bytesOf, kindOf } from "../bytes.js";
import { calling, invalidArgument } from "../errors.js";
import type { Manifest } from "../manifest.js";
import { owned } from "./decompressor.js";
import { core } from "./load.js";
import { ready } from "./ready.js";

/** A new secret key and its public key. */
export interface Keypair {
  /** 64 bytes: the seed (RFC 8032), then the public key. */
  secretKey: ByteArray;
  /** 32 bytes. */
  publicKey: ByteArray;
}

/** Returns a new pair of keys. */
export async function generateKeypair(): Promise<Keypair> {
  await ready();
  return calling(() => {
    const secretKey = owned(core().generateKey());
    return { secretKey, publicKey: owned(core().publicKeyOf(secretKey)) };
  });
}

/**
 * Returns the Ed25519 signature of `data`, 64 bytes.
 *
 * The secret key is 64 bytes, their base64 text (as in Nix), or a 32-byte seed.
 *
 * @throws {ChunkerError} `invalid_secret_key`, `decode_error` or `invalid_argument`.
 */
export async function sign(data: Bytes, secretKey: Bytes | string): Promise<ByteArray> {
  await ready();
  const [bytes, key] = [bytesOf(data), binaryOf(secretKey, "secretKey")];
  return owned(calling(() => core().sign(bytes, key)));
}

/**
 * Resolves if `signature` is a signature of `data` by the owner of `publicKey`, and rejects if not.
 * Signature and key may be bytes or base64 text.
 *
 * @throws {ChunkerError} `verification_failed`, `invalid_public_key`, `invalid_signature`,
 * `invalid_signature_length`, `decode_error` or `invalid_argument`.
 */
export async function verify(
  data: Bytes,
  signature: Bytes | string,
  publicKey: Bytes | string,
): Promise<void> {
  await ready();
  const bytes = bytesOf(data);
  const [claim, key] = [binaryOf(signature, "signature"), binaryOf(publicKey, "publicKey")];
  calling(() => core().verify(bytes, claim, key));
}

/**
 * Returns the signature of a manifest, and so of the input it describes. It differs from a signature of
 * the manifest's bytes, so signatures of data and of manifests cannot be mistaken for each other.
 *
 * @throws {ChunkerError} As {@link sign}.
 */
export async function signManifest(
  manifest: Manifest,
  secretKey: Bytes | string,
): Promise<ByteArray> {
  await ready();
  const [canonical, key] = [canonicalOf(manifest), binaryOf(secretKey, "secretKey")];
  return owned(calling(() => core().signManifest(canonical, key)));
}

/**
 * Resolves if `signature` is a signature of `manifest`, and rejects if not.
 *
 * @throws {ChunkerError} As {@link verify}.
 */
export async function verifyManifest(
  manifest: Manifest,
  signature: Bytes | string,
  publicKey: Bytes | string,
): Promise<void> {
  await ready();
  const canonical = canonicalOf(manifest);
  const [claim, key] = [binaryOf(signature, "signature"), binaryOf(publicKey, "publicKey")];
  calling(() => core().verifyManifest(canonical, claim, key));
}

/** Returns `bytes` as base64, with padding. */
export function toBase64(bytes: Bytes): string {
  let binary = "";
  for (const byte of bytesOf(bytes, "bytes")) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Keys and signatures are bytes or base64 text; the module validates them. */
export function binaryOf(value: Bytes | string, name: string): ByteArray | string {
  return typeof value === "string" ? value : bytesOf(value, name);
}

function canonicalOf(manifest: Manifest): ByteArray {
  if (typeof manifest?.toBytes !== "function") {
    throw invalidArgument(`manifest is ${kindOf(manifest)} (expected a Manifest)`);
  }
  return manifest.toBytes();
}
