#!/usr/bin/env python3
"""usage: check_javadoc.py MODULE JAR

Checks a Javadoc JAR: each public class in the records of the API (bindings-android/api, and for the SDK the records and enums of
the contract) needs a page with a sentence.
"""
import pathlib
import re
import sys
import zipfile

BINDINGS = pathlib.Path(__file__).resolve().parent.parent
REPOSITORY = BINDINGS.parent
RECORDS = {"sdk": "larder.api", "media3": "larder-media3.api"}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in RECORDS:
        sys.exit(__doc__.strip())
    module, jar = sys.argv[1:]
    wanted = classes(module)
    with zipfile.ZipFile(jar) as pages:
        names = set(pages.namelist())
        missing = [name for name in wanted if page(module, name) not in names]
        empty = [n for n in wanted if n not in missing and b'class="paragraph"' not in pages.read(page(module, n))]
    if missing or empty:
        sys.exit(f"{jar}: no page for {missing}, no words about {empty}")
    print(f"{module}: its Javadoc JAR has a page for each of {len(wanted)} public classes")


def classes(module):
    record = (BINDINGS / "api" / RECORDS[module]).read_text()
    compiled = re.findall(r"^public .*?(?:class|interface) dev/larder/(\S+)", record, re.MULTILINE)
    # Classes for Java only: the bodies of an interface's functions, and the holders of top-level functions.
    facades = set(re.findall(r'@file:JvmName\("(\w+)"\)', "".join(f.read_text() for f in BINDINGS.glob(f"{module}/src/main/**/*.kt"))))
    found = [c for c in compiled if c.split("/")[-1] not in facades and not c.endswith(("$DefaultImpls", "$Companion"))]
    if module == "sdk":
        contract = (REPOSITORY / "udl/api/larder.udl.snapshot").read_text()
        found += [n for n in re.findall(r"^(?:dictionary|enum|interface) (\w+)", contract, re.MULTILINE) if not n.startswith("Ffi")]
    return found


def page(module, name):
    """Returns the path of the page of `media3/PlaybackErrors$Code` in Dokka's form, which has no capitals."""
    *packages, last = name.split("/")
    package = ".".join(["dev", "larder", *packages])
    folders = [re.sub("[A-Z]", lambda capital: "-" + capital.group().lower(), part) for part in last.split("$")]
    return "/".join([f"larder-{module}", package, *folders, "index.html"])


if __name__ == "__main__":
    main()
