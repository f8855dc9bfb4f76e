// Signatures of narinfo files against a real Nix: Debian's nix-bin, which must be installed.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  formatNarInfo,
  generateKeypair,
  NarInfo,
  NixPublicKey,
  NixSecretKey,
  nixBase32Decode,
  parseNarInfo,
} from "chunker-cdc/codecs";

const NAME = "test.example.org-1";
/** A path that is not content-addressed, and so needs a signature, with a reference. */
const EXPRESSION = `
  let reference = builtins.toFile "reference" "referenced";
  in derivation {
    name = "example"; system = builtins.currentSystem; builder = "/bin/sh";
    args = [ "-c" "echo \${reference} > $out" ];
  }`;
const CONFIGURATION = `
experimental-features = nix-command
build-users-group =
sandbox = false
substituters =
`;

/** A home, a store and a state of their own for the programs of Nix. */
class Nix {
  readonly root = mkdtempSync(join(tmpdir(), "chunker-nix-"));
  readonly #environment: NodeJS.ProcessEnv;

  constructor(t: TestContext) {
    const at = (name: string) => join(this.root, name);
    mkdirSync(at("conf"));
    writeFileSync(at("conf/nix.conf"), CONFIGURATION);
    this.#environment = {
      ...process.env,
      HOME: at("home"),
      NIX_CONF_DIR: at("conf"),
      NIX_STORE_DIR: at("store"),
      NIX_STATE_DIR: at("state"),
      NIX_LOG_DIR: at("log"),
    };
    t.after(() => {
      this.forget();
      rmSync(this.root, { recursive: true });
    });
  }

  /** Runs a program of Nix; returns its errors, or `undefined` if it succeeds. */
  refusal(program: string, ...options: string[]): string | undefined {
    const { status, stderr, error } = this.#run(program, options);
    if (error !== undefined) throw error;
    return status === 0 ? undefined : stderr;
  }

  /** Returns what a program of Nix prints. */
  text(program: string, ...options: string[]): string {
    const { status, stdout, stderr, error } = this.#run(program, options);
    if (error !== undefined) throw error;
    assert.equal(status, 0, stderr);
    return stdout.trimEnd();
  }

  /** Begins anew with an empty store, as another machine would. */
  forget(): void {
    // What is built is read-only.
    execFileSync("chmod", ["-R", "u+w", this.root]);
    for (const name of ["home", "store", "state"]) {
      rmSync(join(this.root, name), { recursive: true, force: true });
    }
  }

  #run(program: string, options: string[]) {
    return spawnSync(program, options, { env: this.#environment, encoding: "utf8" });
  }
}

/** Builds a path and copies it to a binary cache; returns both it and its narinfo file. */
function binaryCache(nix: Nix, options = ""): { path: string; url: string; file: string } {
  const [expression, cache] = [join(nix.root, "default.nix"), join(nix.root, "cache")];
  writeFileSync(expression, EXPRESSION);
  const path = nix.text("nix-build", "--no-out-link", expression);
  const url = `file://${cache}`;
  nix.text("nix", "copy", "--to", url + options, path);
  return { path, url, file: join(cache, `${basename(path).slice(0, 32)}.narinfo`) };
}

async function parse(text: string): Promise<NarInfo> {
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, "m").exec(text)?.[1]?.trim() ?? "";
  const storePath = field("StorePath");
  const names = field("References").split(" ");
  return new NarInfo({
    storePath,
    narHash: await nixBase32Decode(field("NarHash").replace("sha256:", "")),
    narSize: Number(field("NarSize")),
    references: names.map((name) => join(dirname(storePath), name)),
  });
}

test("nix accepts signatures made here and refuses others", async (t) => {
  const nix = new Nix(t);
  const { path, url, file } = binaryCache(nix);
  const text = readFileSync(file, "utf8");
  const newKey = async () => NixSecretKey.create(NAME, (await generateKeypair()).secretKey);
  const [key, other] = [await newKey(), await newKey()];
  const narInfo = await parse(text);
  const good = key.sign(narInfo);
  const trusted = ["--option", "trusted-public-keys", key.publicKey.toString()];
  const copied = (signature?: string) => {
    nix.forget();
    writeFileSync(file, signature === undefined ? text : `${text}Sig: ${signature}\n`);
    const required = ["--option", "require-sigs", "true"];
    return nix.refusal("nix", "copy", "--from", url, ...required, ...trusted, path);
  };
  const larger = await parse(text.replace("NarSize: ", "NarSize: 1"));
  for (const [what, bad] of [
    ["none", undefined],
    ["of another key", other.sign(narInfo)],
    ["of another name", good.replace(NAME, "test.example.org-2")],
    ["of other data", key.sign(larger)],
  ] as const) {
    assert.match(copied(bad) ?? "accepted", /signature/, what);
  }
  assert.equal(copied(good), undefined);
  assert.equal(readFileSync(path, "utf8").includes("reference"), true);
});

test("signatures of nix are accepted here and tampered ones refused", async (t) => {
  const nix = new Nix(t);
  const [secret, open] = [join(nix.root, "secret"), join(nix.root, "public")];
  nix.text("nix-store", "--generate-binary-cache-key", NAME, secret, open);
  const key = NixPublicKey.parse(readFileSync(open, "utf8"));
  const { file } = binaryCache(nix, `?secret-key=${secret}`);
  const text = readFileSync(file, "utf8");
  const signature = /^Sig: (.*)$/m.exec(text)?.[1] ?? "";
  const narInfo = await parse(text);
  key.verify(narInfo, signature);
  const own = NixSecretKey.parse(readFileSync(secret, "utf8"));
  assert.equal(own.sign(narInfo), signature, "Ed25519 is deterministic");
  const failed = { code: "verification_failed" };
  const larger = await parse(text.replace("NarSize: ", "NarSize: 1"));
  assert.throws(() => key.verify(larger, signature), failed);
  const renamed = signature.replace(NAME, "test.example.org-2");
  assert.throws(() => key.verify(narInfo, renamed), failed);
});

test("narinfo files of nix are read and written byte for byte", async (t) => {
  const nix = new Nix(t);
  const [secret, open] = [join(nix.root, "secret"), join(nix.root, "public")];
  nix.text("nix-store", "--generate-binary-cache-key", NAME, secret, open);
  const { file } = binaryCache(nix, `?secret-key=${secret}`);
  const text = readFileSync(file, "utf8");
  const read = await parseNarInfo(text);
  assert.equal(await formatNarInfo(read), text);
  const key = NixPublicKey.parse(readFileSync(open, "utf8"));
  const { storePath, narHash, narSize, references, signatures } = read;
  key.verify(new NarInfo({ storePath, narHash, narSize, references }), signatures[0] ?? "");
});
