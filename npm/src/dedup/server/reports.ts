/** The result of a collection, in counts and bytes. */
export interface CollectReport {
  /** Files in the store. */
  readonly files: number;
  /** Packs at the start, and their bytes. */
  readonly packs: number;
  readonly bytes: number;
  /** Bytes in those packs that files need. */
  readonly liveBytes: number;
  /** Packs chosen for deletion. */
  readonly doomedPacks: number;
  readonly deletedPacks: number;
  readonly deletedBytes: number;
  /** Live chunks copied out of those packs. */
  readonly copiedChunks: number;
  readonly copiedBytes: number;
  /** Packs kept because their copy of a live chunk is damaged and the only one. */
  readonly keptPacks: readonly string[];
  /** Commits started over a day ago and never finished. */
  readonly expiredCommits: number;
  readonly removedTemporaries: number;
}

/** Something that is damaged. */
export interface Damage {
  /** The name of a pack, a file or an object. */
  readonly name: string;
  /** What is wrong with the object as a whole. */
  readonly error?: string | null;
  /** Chunks that are damaged in it, or that it needs and that have no good copy left. */
  readonly chunks: readonly string[];
}

/** The result of a check. */
export interface CheckReport {
  /** Whether every file can be read and no pack is damaged. */
  readonly sound: boolean;
  readonly packs: number;
  readonly chunks: number;
  readonly bytes: number;
  readonly files: number;
  readonly damagedPacks: readonly Damage[];
  /** Files that cannot be read completely. */
  readonly hurtFiles: readonly Damage[];
  /** Objects that are damaged or do not belong in a store. */
  readonly strangeObjects: readonly Damage[];
  /** Chunks copied out of damaged packs. */
  readonly rescuedChunks: number;
  readonly deletedPacks: number;
}
