// The threaded module: compiled by the thread that uses a team, and loaded by its members.

import { Compiler } from "../loader.js";

export const { setSource, compile, module } = new Compiler();
