import { probe } from "./probe.js";

probe().then((line) => {
  document.title = line;
});
