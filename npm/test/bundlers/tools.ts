// Other tools than the package's own, installed in target/bundlers, and projects that use them with
// the packed tarball.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { installAddonIn, PACKAGE, type Packed } from "../package/packed.js";

const HOME = join(PACKAGE, "../target/bundlers");
const TOOLS = join(PACKAGE, "test/bundlers/tools");
const PROJECTS = join(PACKAGE, "test/bundlers/projects");

/**
 * Installs the tools of the lock file, unless they are there, the packed package, and the addon of this
 * tree.
 */
export function install(packed: Packed): void {
  const lock = readFileSync(join(TOOLS, "package-lock.json"), "utf8");
  const mark = join(HOME, "installed.json");
  if (!existsSync(mark) || readFileSync(mark, "utf8") !== lock) {
    rmSync(HOME, { recursive: true, force: true });
    cpSync(TOOLS, HOME, { recursive: true });
    execFileSync("npm", ["ci", "--silent", "--no-audit", "--no-fund"], { cwd: HOME });
    writeFileSync(mark, lock);
  }
  rmSync(join(HOME, "node_modules/chunker-cdc"), { recursive: true, force: true });
  packed.installIn(HOME);
  installAddonIn(HOME);
}

/** Returns the folder of a tool with the files of these projects, and the program `name` of its package. */
export function projectOf(tool: string, ...projects: string[]): string {
  const folder = join(HOME, tool);
  const leftovers = [".next", "dist", "node_modules/.vite"].map((name) => join(folder, name));
  // A tool whose packages are all in the folder above keeps its cache there.
  for (const each of [...leftovers, join(HOME, "node_modules/.vite")]) {
    rmSync(each, { recursive: true, force: true });
  }
  for (const name of ["probe.js", "print.js", "vectors.js", "store.js"])
    cpSync(join(PROJECTS, name), join(folder, name));
  for (const project of projects) {
    cpSync(join(PROJECTS, project), folder, { recursive: true });
  }
  return folder;
}

/** Returns the path of a file of a package, as the project in `folder` finds it. */
export function fileOf(folder: string, name: string, file: string): string {
  const manifest = createRequire(join(folder, "package.json")).resolve(`${name}/package.json`);
  return join(manifest, "..", file);
}
