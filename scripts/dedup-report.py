#!/usr/bin/env python3
"""Measures deduplication on real releases, and writes docs/deduplication.md and its plot: `make dedup-report`.

`dedup-report.py DEDUP PIP` has the program that counts, and a pip. The releases are fetched into
target/dedup by the registries' own clients; each becomes a NAR, the archive format of Nix, which has
names and contents but no times or owners: equal files give equal bytes.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "dedup"
PAGE = ROOT / "docs" / "deduplication.md"
PLOT = ROOT / "docs" / "deduplication.svg"

# Registry, name, what is in it, and three consecutive releases.
PACKAGES = [
    ("npm", "typescript", "JavaScript and declarations", ["5.8.3", "5.9.2", "5.9.3"]),
    ("crates.io", "openssl-src", "C, assembler and documentation", ["300.5.2", "300.5.3", "300.5.4"]),
    ("PyPI", "numpy", "machine code and Python, x86-64", ["2.4.4", "2.4.5", "2.4.6"]),
]
WAYS = {"fastcdc-v2020": ("content-defined", "#2563a8"), "fixed": ("fixed size", "#c9792b")}


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def fetch_npm(name, version, directory, _):
    """Returns the folder of an npm package."""
    packed = run("npm", "pack", "--silent", "--pack-destination", directory, f"{name}@{version}").strip()
    with tarfile.open(directory / packed) as archive:
        archive.extractall(directory, filter="data")
    return directory / "package"


def fetch_crate(name, version, directory, _):
    """Returns the folder of a crate in cargo's cache."""
    (directory / "src").mkdir(exist_ok=True)
    (directory / "src" / "lib.rs").touch()
    (directory / "Cargo.toml").write_text(
        f'[package]\nname = "fetch"\nedition = "2024"\n[workspace]\n[dependencies]\n{name} = "={version}"\n'
    )
    for package in json.loads(run("cargo", "metadata", "--quiet", "--format-version=1", cwd=directory))["packages"]:
        if package["name"] == name:
            return pathlib.Path(package["manifest_path"]).parent
    raise SystemExit(f"cargo did not fetch {name} {version}")


def fetch_wheel(name, version, directory, pip):
    """Returns the folder of a wheel for CPython 3.12 on Linux."""
    tags = ["--python-version=3.12", "--platform=manylinux_2_28_x86_64", "--platform=manylinux_2_27_x86_64"]
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--dest", directory]
    run(pip, "download", *options, *tags, f"{name}=={version}")
    folder = directory / "wheel"
    with zipfile.ZipFile(next(directory.glob("*.whl"))) as archive:
        archive.extractall(folder)
    return folder


FETCH = {"npm": fetch_npm, "crates.io": fetch_crate, "PyPI": fetch_wheel}


def nar(registry, name, version, pip):
    """Returns the path of a release's NAR; makes it unless it is there."""
    path = WORK / f"{name}-{version}.nar"
    if not path.exists():
        directory = WORK / f"{name}-{version}"
        directory.mkdir(parents=True, exist_ok=True)
        folder = FETCH[registry](name, version, directory, pip)
        temporary = path.with_suffix(".part")
        with temporary.open("wb") as file:
            subprocess.run(["nix-store", "--dump", folder], check=True, stdout=file)
        temporary.rename(path)
        shutil.rmtree(directory)
    return path


def sizes(profile):
    """Returns a profile as people write it."""
    return "/".join(f"{size >> 20}M" if size >= 1 << 20 else f"{size >> 10}K" for size in profile)


def measure(dedup, pip):
    """Returns each package with its files and, for each profile and way, the share of the later releases
    that was stored before, the mean length of chunks in bytes, and the bytes that were stored before."""
    results = []
    for registry, name, content, versions in PACKAGES:
        files = [nar(registry, name, version, pip) for version in versions]
        total = sum(file.stat().st_size for file in files)
        counts = {}
        for line in run(dedup, *files).splitlines():
            *profile, way, chunks, size, stored = line.split("\t")
            saved = int(stored) / int(size)
            counts.setdefault(tuple(map(int, profile)), {})[way] = (saved, total / int(chunks), int(stored))
        results.append((registry, name, content, versions, files, counts))
    return results


def table(results):
    """Yields the lines of the page's tables."""
    yield "| package | releases | size of each | content |\n|---|---|---|---|"
    for registry, name, content, versions, files, _ in results:
        mb = ", ".join(f"{file.stat().st_size / 1e6:.1f}" for file in files)
        yield f"| `{name}` ({registry}) | {', '.join(versions)} | {mb} MB | {content} |"
    yield ""
    yield "| | sizes | saved, content-defined | saved, fixed size | mean chunk, content-defined |\n|---|---|---|---|---|"
    for _, name, _, _, _, counts in results:
        for profile, ways in counts.items():
            (ours, mean, stored), (fixed, _, stored_fixed) = (ways[way] for way in WAYS)
            yield (
                f"| `{name}` | {sizes(profile)} | **{ours:.1%}** ({stored / 1e6:.1f} MB) "
                f"| {fixed:.1%} ({stored_fixed / 1e6:.1f} MB) | {mean / 1024:.1f} KiB |"
            )


def plot(results):
    """Returns the plot: a panel for each package, and in it two bars for each profile."""
    width, height, left, top, bottom, panel = 900, 330, 46, 56, 60, 284
    scale = height - top - bottom
    y = lambda share: top + scale * (1 - share)
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" fill="#222">',
        "<title>Share of the bytes of two later releases that were stored before</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        svg.append(f'<path d="M{left} {y(share):.1f}H{width - 8}" stroke="#ddd"/>')
        svg.append(f'<text x="{left - 6}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>')
    for place, (label, colour) in enumerate(WAYS.values()):
        svg.append(f'<rect x="{left + 140 * place}" y="8" width="12" height="12" fill="{colour}"/>')
        svg.append(f'<text x="{left + 18 + 140 * place}" y="18">{label}</text>')
    meaning = "how much of the two later releases was stored before"
    svg.append(f'<text x="{width - 8}" y="18" text-anchor="end">{meaning}</text>')
    for number, (_, name, _, versions, _, counts) in enumerate(results):
        start = left + number * panel
        svg.append(
            f'<text x="{start + panel / 2}" y="42" text-anchor="middle" font-weight="bold">'
            f"{name} {versions[0]} to {versions[-1]}</text>"
        )
        for group, (profile, ways) in enumerate(counts.items()):
            x = start + 14 + group * 66
            for bar, (way, (_, colour)) in enumerate(WAYS.items()):
                share = ways[way][0]
                svg.append(f'<rect x="{x + 28 * bar}" y="{y(share):.1f}" width="26" height="{scale * share:.1f}" fill="{colour}"/>')
                svg.append(
                    f'<text x="{x + 28 * bar + 13}" y="{y(share) - 4:.1f}" text-anchor="middle" font-size="10">{share * 100:.0f}</text>'
                )
            svg.append(f'<text x="{x + 27}" y="{height - bottom + 18}" text-anchor="middle" font-size="9.5">{sizes(profile)}</text>')
    caption = "smallest, average and largest size of a chunk; fixed chunks have the average"
    svg.append(f'<text x="{(left + width) / 2}" y="{height - 14}" text-anchor="middle">{caption}</text>')
    return "\n".join([*svg, "</svg>", ""])


def main():
    dedup, pip = sys.argv[1:]
    results = measure(dedup, pip)
    PLOT.write_text(plot(results))
    before, _, rest = PAGE.read_text().partition("<!-- measured -->")
    _, _, after = rest.partition("<!-- end -->")
    PAGE.write_text(before + "<!-- measured -->\n\n" + "\n".join(table(results)) + "\n\n<!-- end -->" + after)
    print(f"dedup-report: wrote {PAGE.relative_to(ROOT)} and {PLOT.relative_to(ROOT)}")


main()
