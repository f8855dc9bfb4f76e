#!/usr/bin/env python3
"""Checks that no files of src/ import each other, directly or through others. Tests at the end of a file may
import anything. (npm: Biome's `noImportCycles`.)"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parent.parent / "src"
NAME = r"(?:[A-Za-z_]\w*)"


def modules():
    """Returns the files of each module, by its path; () is the crate's root. Where there are several, one of
    them is compiled."""
    found, waiting = {}, [((), ROOT / "lib.rs", True)]
    declaration = rf"((?:#\[[^;{{}}]*?\]\n)*)(?:pub(?:\([a-z]+\))? )?mod ({NAME});"
    while waiting:
        module, path, owns_folder = waiting.pop()
        found.setdefault(module, []).append(path)
        folder = path.parent if owns_folder else path.with_suffix("")
        for attributes, name in re.findall(declaration, path.read_text()):
            named = [path.parent / other for other in re.findall(r'path = "([^"]+)"', attributes)]
            usual = folder / f"{name}.rs"
            places = named or [usual if usual.exists() else folder / name / "mod.rs"]
            waiting += [((*module, name), place, place != usual) for place in places]
    return found


def imports(module, text, files, macros):
    """Yields the modules that the paths of `text`, which is that of `module`, lead into. Exported macros are at
    the root wherever they are defined."""
    text = re.sub(r"//[^\n]*|pub\([^)]*\)", "", re.split(r"#\[cfg\([^\]]*\btest\b[^\]]*\]\nmod ", text)[0])
    children = [name for *parent, name in filter(None, files) if tuple(parent) == module]
    starts = "|".join(["crate", "super", "self", *children])
    for start, rest in re.findall(rf"(?<![$:\w])({starts})((?:::(?:super|{NAME}\b|\{{[^;]*?\}}))+)", text):
        for names in expanded(rest.removeprefix("::")):
            at = {"crate": (), "self": module, "super": module[:-1]}.get(start, (*module, start))
            for name in names:
                if name == "super":
                    at = at[:-1]
                elif (*at, name) in files:
                    at = (*at, name)
                else:
                    break
            yield None if start == "crate" and names[0] in macros else at


def expanded(path):
    """Returns the names of each path in `a::{b, c::{d}}`."""
    head, brace, inside = path.partition("{")
    names = [name for name in head.split("::") if name]
    if not brace:
        return [names]
    depth, item, found = 0, "", []
    for letter in inside:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth < 0 or (letter == "," and depth == 0):
            found += [names + rest for rest in expanded(re.sub(r"\s| as \w+", "", item))]
            item = ""
        else:
            item += letter
        if depth < 0:
            break
    return found


def circles(graph):
    """Returns the files that reach themselves."""
    def reachable(start):
        seen, waiting = set(), [start]
        while waiting:
            for following in graph[waiting.pop()] - seen:
                seen.add(following)
                waiting.append(following)
        return seen

    reach = {node: reachable(node) for node in graph}
    return {frozenset(other for other in reach[node] if node in reach[other]) for node in graph if node in reach[node]}


def main():
    files = modules()
    text = "".join(path.read_text() for paths in files.values() for path in paths)
    macros = set(re.findall(r"macro_rules! (\w+)", text))
    graph = {
        module: {to for path in paths for to in imports(module, path.read_text(), files, macros)} - {module, None}
        for module, paths in files.items()
    }
    found = circles(graph)
    for circle in sorted(map(sorted, found)):
        print("import each other:", *(path.relative_to(ROOT.parent) for module in circle for path in files[module]))
    edges = sum(map(len, graph.values()))
    print(f"imports: {edges} between {len(files)} files, {len(found)} circles")
    sys.exit(bool(found) or edges < 100)


main()
