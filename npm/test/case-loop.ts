// The loop of every runner of conformance vectors, for Node and for pages.

/** What a file in `tests/conformance/` holds. */
export interface CaseFile<Case> {
  version: number;
  /** How many cases there are. */
  count: number;
  cases: Case[];
}

export interface Outcome {
  /** For example `conformance: node simd128: 260 cases, 0 differences`. */
  line: string;
  differences: string[];
}

/**
 * Runs every case by `differencesIn`.
 *
 * @throws When the number of cases is not the one the file says.
 */
export async function runCases<Case>(
  vectors: CaseFile<Case>,
  where: string,
  nameOf: (each: Case) => string,
  differencesIn: (each: Case) => Promise<string[]>,
): Promise<Outcome> {
  if (vectors.version !== 1) throw new Error(`vectors of version ${vectors.version}`);
  const differences: string[] = [];
  let ran = 0;
  for (const each of vectors.cases) {
    for (const difference of await differencesIn(each)) {
      differences.push(`${nameOf(each)}: ${difference}`);
    }
    ran++;
  }
  if (ran !== vectors.count) throw new Error(`${ran} cases ran, the file says ${vectors.count}`);
  return {
    line: `conformance: ${where}: ${ran} cases, ${differences.length} differences`,
    differences,
  };
}
