#!/usr/bin/env python3
"""usage: documented.py GENERATED-FOLDER OUT-FOLDER

Writes what an app sees of the Kotlin that UniFFI writes, records and enums with their documentation, for Dokka. The rest of
it (converters, handles, the Ffi… objects that the SDK wraps) is public to the compiler only.
"""
import pathlib
import re
import sys

DECLARATION = re.compile(r"^(data|enum|sealed) class (?!Ffi)\w+", re.MULTILINE)
# A declaration's KDoc, and perhaps an empty line before it.
KDOC = re.compile(r"/\*\*\n(?: \*[^\n]*\n)+\s*\Z")

EMPTY_COMPANION = re.compile(r"^ +companion object$", re.MULTILINE)


def main():
    if len(sys.argv) != 3 or sys.argv[1] in ("--help", "-h"):
        sys.exit(__doc__.strip())
    generated, out = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted(generated.rglob("*.kt")):
        text = file.read_text()
        package = re.search(r"^package .*$", text, re.MULTILINE).group()
        (out / file.name).write_text("\n\n".join([package, *declarations(text)]) + "\n")


def declarations(text):
    for start in DECLARATION.finditer(text):
        kdoc = KDOC.search(text, 0, start.start())
        declaration = text[kdoc.start() if kdoc else start.start():closing_brace(text, start.end()) + 1]
        yield EMPTY_COMPANION.sub("", declaration)


def closing_brace(text, at):
    depth = 0
    for brace in re.compile("[{}]").finditer(text, at):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return brace.start()
    sys.exit("documented.py: a declaration does not end")


if __name__ == "__main__":
    main()
