"use client";

import { useEffect } from "react";
import { probe } from "../probe.js";

export default function Page() {
  useEffect(() => {
    probe().then((line) => {
      document.title = line;
    });
  }, []);
  return null;
}
