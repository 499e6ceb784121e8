#!/usr/bin/env python3
"""usage: notices.py

Prints the licenses of the Rust crates that the native library for Android is linked from: each crate with its version and
license, then every license text that comes with one, each once. Asks `cargo metadata`.
"""
import hashlib
import json
import pathlib
import re
import subprocess
import sys

TARGET = "aarch64-linux-android"
TEXT_NAMES = re.compile(r"^(LICEN[CS]E|COPYING|NOTICE|COPYRIGHT)", re.IGNORECASE)


def main():
    if "--help" in sys.argv or "-h" in sys.argv:
        print(__doc__.strip())
        return
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    packages = {p["id"]: p for p in metadata["packages"]}
    linked = sorted((packages[i] for i in linked_ids(metadata, packages)), key=lambda p: (p["name"], p["version"]))
    texts = {}
    print("Larder's native library is linked from these Rust crates:\n")
    for package in linked:
        print(f"  {package['name']} {package['version']}: {package['license'] or 'see its text'}")
        for path in sorted(pathlib.Path(package["manifest_path"]).parent.iterdir()):
            if path.is_file() and TEXT_NAMES.match(path.name):
                text = path.read_text(errors="replace").strip()
                texts.setdefault(hashlib.sha256(text.encode()).hexdigest(), (text, []))[1].append(package["name"])
    for text, names in sorted(texts.values(), key=lambda entry: entry[1]):
        print(f"\n{'=' * 100}\n{', '.join(sorted(set(names)))}\n{'-' * 100}\n{text}")
    if not linked or not texts:
        sys.exit("notices.py: no crates")


def linked_ids(metadata, packages):
    """What is in the library: no build scripts, no macros, no tests, none of our own."""
    nodes = {n["id"]: n for n in metadata["resolve"]["nodes"]}
    start = next(i for i, p in packages.items() if p["name"] == "larder-ffi")
    seen, waiting = set(), [start]
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            package = packages[dependency["pkg"]]
            is_macro = any("proc-macro" in target["kind"] for target in package["targets"])
            if any(k["kind"] is None for k in dependency["dep_kinds"]) and not is_macro and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return {i for i in seen if packages[i]["source"]}


if __name__ == "__main__":
    main()
