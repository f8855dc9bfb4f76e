import type { PackSize } from "./pack-size.js";
import type { Questions } from "./questions.js";
import type { Requests } from "./retry.js";
import type { Supplies } from "./supplies.js";
import type { Tasks } from "./tasks.js";
import type { Transport } from "./transport.js";
import type { UploadLedger } from "./upload-ledger.js";
import type { UploadSource } from "./upload-source.js";

/** What the parts of one upload share. */
export interface UploadContext {
  readonly source: UploadSource;
  readonly transport: Transport;
  readonly requests: Requests;
  readonly questions: Questions;
  readonly packSize: PackSize;
  readonly supplies: Supplies;
  readonly tasks: Tasks;
  readonly ledger: UploadLedger;
}
