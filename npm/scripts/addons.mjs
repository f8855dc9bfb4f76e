// The packages of the native addon:
//
//   node scripts/addons.mjs here                    prints the name of this machine's
//   node scripts/addons.mjs make FILE NAME FOLDER   makes it of a library from cargo, as FOLDER/NAME
//   node scripts/addons.mjs list FOLDER             lets the main package in FOLDER name all of them

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const main = JSON.parse(readFileSync(join(root, "npm/package.json"), "utf8"));

/** What npm installs a package on, and what we call that. */
const PLATFORMS = {
  "linux-x64-gnu": {
    os: ["linux"],
    cpu: ["x64"],
    libc: ["glibc"],
    title: "Linux on x86-64, glibc",
  },
  "linux-x64-musl": { os: ["linux"], cpu: ["x64"], libc: ["musl"], title: "Linux on x86-64, musl" },
  "linux-arm64-gnu": {
    os: ["linux"],
    cpu: ["arm64"],
    libc: ["glibc"],
    title: "Linux on ARM64, glibc",
  },
  "linux-arm64-musl": {
    os: ["linux"],
    cpu: ["arm64"],
    libc: ["musl"],
    title: "Linux on ARM64, musl",
  },
  "darwin-x64": { os: ["darwin"], cpu: ["x64"], title: "macOS on x86-64" },
  "darwin-arm64": { os: ["darwin"], cpu: ["arm64"], title: "macOS on ARM64" },
  "win32-x64-gnu": { os: ["win32"], cpu: ["x64"], title: "Windows on x86-64" },
};

/** The packages, by the platform each is for. */
const ADDONS = Object.fromEntries(
  Object.entries(PLATFORMS).map(([platform, fields]) => [`${main.name}-${platform}`, fields]),
);

/** The name of the package for this machine. */
function here() {
  const { arch, platform, report } = process;
  const gnu = platform === "linux" && report.getReport().header.glibcVersionRuntime !== undefined;
  const kind = { linux: gnu ? "-gnu" : "-musl", win32: "-gnu" }[platform] ?? "";
  return `${main.name}-${platform}-${arch}${kind}`;
}

/** Writes the package `name` into `folder`, around the library `file`. */
function make(file, name, folder) {
  const { title, ...fields } = ADDONS[name] ?? fail(`unknown package ${name}`);
  const to = join(folder, name);
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  copyFileSync(file, join(to, "chunker.node"));
  for (const license of ["LICENSE-MIT", "LICENSE-APACHE"]) {
    copyFileSync(join(root, license), join(to, license));
  }
  const description = `The native addon of ${main.name} for ${title}`;
  writeFileSync(join(to, "README.md"), `${description}. It comes with that package.\n`);
  const { version, license, repository, engines } = main;
  const manifest = {
    name,
    version,
    description,
    license,
    repository,
    engines,
    ...fields,
    main: "chunker.node",
  };
  writeFileSync(join(to, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

/**
 * Writes the packages into those that the main one, unpacked in `folder`, wants to have: npm installs the
 * one for its machine, and none is an error. The lock file of the sources cannot name packages that are
 * published with this one.
 */
function list(folder) {
  const path = join(folder, "package.json");
  const manifest = JSON.parse(readFileSync(path, "utf8"));
  manifest.optionalDependencies = Object.fromEntries(
    Object.keys(ADDONS).map((name) => [name, manifest.version]),
  );
  writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`);
}

const [command, ...args] = process.argv.slice(2);
if (command === "here") console.log(here());
else if (command === "make" && args.length === 3) make(...args);
else if (command === "list" && args.length === 1) list(...args);
else fail("usage: node scripts/addons.mjs here | make FILE NAME FOLDER | list FOLDER");
