// Loading of the debug module.

import { Loader } from "../loader.js";
import * as glue from "./glue.js";

export const { setSource, setSyncSource, load, core } = new Loader(glue);
