// Two consecutive releases of a real package, fetched with `npm pack` and unpacked from .tgz to .tar:
// compression hides what two releases have in common.

import { execFile } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { createGunzip } from "node:zlib";

const PACKAGE = "typescript";
const VERSIONS = ["5.9.2", "5.9.3"] as const;

/** Returns the paths of the two tar files, in `directory`. Throws if npm cannot fetch them. */
export async function fetchReleases(directory: string, signal: AbortSignal): Promise<string[]> {
  await mkdir(directory, { recursive: true });
  console.log(`Fetching ${PACKAGE} ${VERSIONS.join(" and ")} with npm pack …`);
  const paths: string[] = [];
  for (const version of VERSIONS) {
    await pack(`${PACKAGE}@${version}`, directory, signal);
    const packed = join(directory, `${PACKAGE}-${version}.tgz`);
    const unpacked = join(directory, `${PACKAGE}-${version}.tar`);
    await pipeline(createReadStream(packed), createGunzip(), createWriteStream(unpacked), {
      signal,
    });
    paths.push(unpacked);
  }
  return paths;
}

async function pack(spec: string, directory: string, signal: AbortSignal): Promise<void> {
  const args = ["pack", spec, "--loglevel", "error", "--pack-destination", directory];
  try {
    // On Windows npm is a script, which only a shell runs; no argument comes from outside.
    await promisify(execFile)("npm", args, { signal, shell: process.platform === "win32" });
  } catch (error) {
    signal.throwIfAborted();
    const { stderr = "", code } = error as { stderr?: string; code?: unknown };
    const reason = stderr.match(/npm (?:error|ERR!) code (\S+)/)?.[1] ?? String(code);
    throw new Error(
      `npm could not fetch ${spec} (${reason}).\n` +
        'Is the registry out of reach? Use files of your own: make demo FILES="old.tar new.tar"',
      { cause: error },
    );
  }
}
