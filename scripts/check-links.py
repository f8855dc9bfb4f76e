#!/usr/bin/env python3
"""Checks that every relative link in the tracked Markdown files leads to a file of the tree and, after a `#`, to
one of its headings."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent


def prose(page):
    """Returns a page without its code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", lambda code: code[0].replace("[", "").replace("]", ""), text)


def anchors(page):
    """Returns the anchors of a page's headings, as GitHub makes them."""
    seen, found = {}, set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        count = seen.get(anchor, 0)
        seen[anchor] = count + 1
        found.add(f"{anchor}-{count}" if count else anchor)
    return found


def main():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    files = set(filter(None, listed))
    folders = {str(folder) for file in files for folder in pathlib.PurePath(file).parents}
    links, wrong = 0, []
    for name in sorted(file for file in files if file.endswith(".md")):
        page = ROOT / name
        text = prose(page)
        targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
        targets += re.findall(r"^\[[^\]]+\]: +(\S+)$", text, re.MULTILINE)
        for target in targets:
            if re.match(r"[a-z]+:", target):
                continue
            links += 1
            path, _, anchor = target.partition("#")
            to = (page.parent / path).resolve() if path else page.resolve()
            at = str(to.relative_to(ROOT.resolve())) if to.is_relative_to(ROOT.resolve()) else None
            if at not in files | folders:
                wrong.append(f"{name}: {target} is not a file of the tree")
            elif anchor and at.endswith(".md") and anchor not in anchors(to):
                wrong.append(f"{name}: {target} is not a heading")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"links: {links} within the tree, {len(wrong)} wrong")
    sys.exit(bool(wrong) or links < 50)


main()
