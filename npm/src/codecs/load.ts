// Loading of the second module: codecs, signatures and Nix.

import { Loader } from "../loader.js";
import * as glue from "./glue.js";

export const { setSource, setSyncSource, load, core, use } = new Loader(glue);
