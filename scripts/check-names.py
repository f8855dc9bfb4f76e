#!/usr/bin/env python3
"""Checks that every name of docs/names.md is one of its language's public interface, and is a form of the
same word in all of them unless the table says why not."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parent.parent
LANGUAGES = {
    "Rust": (["src/**/*.rs", "store/src/**/*.rs"], r"(?:fn|struct|enum|trait|mod) {}\b|\bpub {}:|\b{}: (?:Option<)?(?:usize|u64|u32|u8)\b"),
    "JavaScript": (["npm/src/**/*.ts"], r"(?:function\*?|class|interface|type|const|get|async\*?|static) {}\b|^\s+(?:readonly )?{}\??[:(]"),
    "Elixir": (["nif/**/*.e*x*"], r"(?:def {}\b|defmodule Chunker\.(?:Nix\.)?{}\b|:{}\b|\b{}:|:{}!?,)"),
}


def rows():
    lines = (ROOT / "docs/names.md").read_text().splitlines()
    table = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    header, _, *body = [[cell.strip() for cell in row] for row in table]
    for row in body:
        yield row[0], {language: re.findall(r"`([^`]+)`", cell) for language, cell in zip(header[1:4], row[1:4])}


def main():
    missing, names = [], 0
    sources = {
        language: "\n".join(path.read_text() for pattern in patterns for path in sorted(ROOT.glob(pattern)) if not {"node_modules", "_build"} & set(path.parts))
        for language, (patterns, _) in LANGUAGES.items()
    }
    for idea, cells in rows():
        for language, found in cells.items():
            for name in found:
                names += 1
                pattern = LANGUAGES[language][1].replace("{}", re.escape(name))
                if not re.search(pattern, sources[language], re.MULTILINE):
                    missing.append(f"{idea}: {language} has no `{name}`")
    print(*missing, sep="\n", end="\n" if missing else "")
    print(f"names: {names} in {len(list(rows()))} rows, {len(missing)} missing")
    sys.exit(bool(missing) or names < 100)


main()
