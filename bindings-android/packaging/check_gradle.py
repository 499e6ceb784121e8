#!/usr/bin/env python3
"""usage: check_gradle.py

Checks the Gradle build without Gradle: the version catalog is TOML and its references resolve, every `libs.…` in a build script
is in it, every included project has a build script, and the versions are those of Maven's build. The formatter parses the build
scripts (scripts/format-kotlin). The plugins are not checked: only Gradle can run them.
"""
import pathlib
import re
import sys
import tomllib

BINDINGS = pathlib.Path(__file__).resolve().parent.parent
# catalog version: Maven's property
SAME = {
    "coroutines": "coroutines.version", "dokka": "dokka.version", "jna": "jna.version", "junit4": "junit4.version", "junit5": "junit.version",
    "kotlin": "kotlin.version", "media3": "media3.version", "robolectric": "robolectric.version",
}


def main():
    if "--help" in sys.argv or "-h" in sys.argv:
        print(__doc__.strip())
        return
    catalog = tomllib.loads((BINDINGS / "gradle/libs.versions.toml").read_text())
    complaints = list(check(catalog))
    if complaints:
        sys.exit("\n".join(complaints))
    print(f"Gradle: {len(catalog['libraries'])} libraries and {len(catalog['plugins'])} plugins in the catalog, as in Maven's build")


def check(catalog):
    versions = catalog["versions"]
    for kind in ("libraries", "plugins"):
        for name, entry in catalog[kind].items():
            if entry["version"]["ref"] not in versions:
                yield f"catalog: {name} refers to a version that is not there"
    maven = (BINDINGS / "pom.xml").read_text()
    for name, prop in SAME.items():
        there = re.search(rf"<{re.escape(prop)}>([^<]+)<", maven)
        if not there or versions[name] != there.group(1):
            yield f"catalog: {name} is {versions[name]}, in Maven's build {there and there.group(1)}"
    known = {n.replace("-", ".") for n in catalog["libraries"]} | {f"plugins.{n.replace('-', '.')}" for n in catalog["plugins"]}
    used = set()
    for script in scripts():
        if not script.is_file():
            yield f"{script.relative_to(BINDINGS.parent)} is missing"
            continue
        for alias in re.findall(r"\blibs\.([a-z0-9.]+)", script.read_text()):
            used.add(alias)
            if alias not in known:
                yield f"{script.name}: libs.{alias} is not in the catalog"
    for alias in sorted(known - used):
        yield f"catalog: {alias} is used nowhere"


def scripts():
    settings = (BINDINGS / "settings.gradle.kts").read_text()
    moved = dict(re.findall(r'project\(":(\w+)"\)\.projectDir = file\("([^"]+)"\)', settings))
    yield BINDINGS / "build.gradle.kts"
    for name in re.findall(r'":(\w+)"', re.search(r"include\(([^)]*)\)", settings).group(1)):
        yield (BINDINGS / moved.get(name, name)).resolve() / "build.gradle.kts"


if __name__ == "__main__":
    main()
