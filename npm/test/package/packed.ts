// The packed tarball, installed in throw-away projects.

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import webpack from "webpack";

/** The folder of the package's sources, whose tools the projects use. */
export const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const run = promisify(execFile);

export interface Packed extends Disposable {
  /** Paths of the files in the tarball. */
  files: string[];
  /** Bytes of the tarball, and of what it holds. */
  size: number;
  unpackedSize: number;
  /** Path of the tarball. */
  tarball: string;
  /** Installs the package in a folder. */
  installIn(folder: string): void;
  /** Makes a project that has the package installed, and these files. Returns its folder. */
  project(name: string, files: Record<string, string>): string;
}

/** Packs the package as `npm publish` would. */
export async function pack(): Promise<Packed> {
  const home = mkdtempSync(join(tmpdir(), "chunker-cdc-"));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", home], {
    cwd: PACKAGE,
  });
  const parsed: unknown = JSON.parse(stdout);
  // npm prints a list of packages, or an object of them by name, depending on its version.
  const [packed] = Object.values(parsed as Record<string, PackedByNpm>);
  if (packed === undefined) throw new Error(`npm pack printed ${stdout}`);
  const unpacked = join(home, "package");
  await run("tar", ["xzf", join(home, packed.filename), "-C", home]);
  // Copied, as npm would: tools treat linked packages as sources.
  const installIn = (folder: string) =>
    cpSync(unpacked, join(folder, "node_modules/chunker-cdc"), { recursive: true });
  return {
    tarball: join(home, packed.filename),
    installIn,
    files: packed.files.map(({ path }) => path),
    size: packed.size,
    unpackedSize: packed.unpackedSize,
    project(name, files) {
      const folder = join(home, name);
      installIn(folder);
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), text);
      }
      return folder;
    },
    [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }),
  };
}

/** Installs the addon of this tree in a folder, as npm would with the package. */
export function installAddonIn(folder: string): void {
  const modules = join(PACKAGE, "node_modules");
  const name = readdirSync(modules).find((each) => each.startsWith("chunker-cdc-"));
  if (name === undefined) throw new Error("there is no addon: run scripts/addon.sh test");
  const options = { recursive: true, dereference: true };
  cpSync(join(modules, name), join(folder, "node_modules", name), options);
}

interface PackedByNpm {
  filename: string;
  files: { path: string }[];
  size: number;
  unpackedSize: number;
}

/** Runs a program in `cwd` and returns what it prints; its errors are in the exception. */
export function output(cwd: string, program: string, ...args: string[]): Promise<string> {
  return outputIn(cwd, {}, program, ...args);
}

/** The same, with these variables in its environment. */
export async function outputIn(
  cwd: string,
  variables: Record<string, string>,
  program: string,
  ...args: string[]
): Promise<string> {
  try {
    const env = { ...process.env, ...variables };
    return (await run(program, args, { cwd, env })).stdout.trim();
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(" ")}: ${stdout}${stderr}`, { cause: error });
  }
}

/** The path of a tool that the package's development dependencies have. */
export function tool(name: string): string {
  return join(PACKAGE, "node_modules/.bin", name);
}

/**
 * Bundles `a.js` of a folder by webpack, without a configuration, into `dist/main.js` of a page, or
 * into `dist/main.cjs` of a program for Node.
 */
export async function bundleByWebpack(folder: string, target = "web"): Promise<void> {
  const filename = target === "web" ? "main.js" : "main.cjs";
  const compiler = webpack({
    context: folder,
    entry: "./a.js",
    mode: "production",
    target,
    output: { path: join(folder, "dist"), filename },
    performance: false, // the module of codecs is larger than webpack likes, and loaded lazily
  });
  if (compiler === null) throw new Error("webpack did not start");
  const stats = await promisify(compiler.run.bind(compiler))();
  await promisify(compiler.close.bind(compiler))();
  const { errors, warnings } = stats?.toJson({ all: false, errors: true, warnings: true }) ?? {};
  const problems = [...(errors ?? []), ...(warnings ?? [])].map(({ message }) => message);
  if (problems.length > 0) throw new Error(`webpack: ${problems.join("\n")}`);
}
