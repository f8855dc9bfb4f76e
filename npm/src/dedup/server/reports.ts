/** What a collection has done, in numbers of things and bytes. */
export interface CollectReport {
  /** Files in the store. */
  readonly files: number;
  /** Packs when it began, and their bytes. */
  readonly packs: number;
  readonly bytes: number;
  /** Bytes of them that files need. */
  readonly liveBytes: number;
  /** Packs that were chosen to be deleted. */
  readonly doomedPacks: number;
  readonly deletedPacks: number;
  readonly deletedBytes: number;
  /** Live chunks that were copied out of them. */
  readonly copiedChunks: number;
  readonly copiedBytes: number;
  /** Packs that were not deleted: the only copy of a live chunk in them is damaged. */
  readonly keptPacks: readonly string[];
  /** Commits that were begun more than a day ago and never ended. */
  readonly expiredCommits: number;
  readonly removedTemporaries: number;
}

/** Something that is damaged. */
export interface Damage {
  /** The name of a pack, a file or an object. */
  readonly name: string;
  /** What is wrong with it as a whole. */
  readonly error?: string | null;
  /** Chunks in it that are damaged, or that it needs and of which no good copy is left. */
  readonly chunks: readonly string[];
}

/** What a check has found. */
export interface CheckReport {
  /** Whether every file can be read and no pack is damaged. */
  readonly sound: boolean;
  readonly packs: number;
  readonly chunks: number;
  readonly bytes: number;
  readonly files: number;
  readonly damagedPacks: readonly Damage[];
  /** Files that cannot be read whole. */
  readonly hurtFiles: readonly Damage[];
  /** Objects that are damaged, or that a store does not have. */
  readonly strangeObjects: readonly Damage[];
  /** Chunks that were copied out of damaged packs. */
  readonly rescuedChunks: number;
  readonly deletedPacks: number;
}
