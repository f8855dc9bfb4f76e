import { probe } from "./probe.js";

probe().then((line) => console.log(line));
