#!/usr/bin/env python3
"""usage: split_contract.py GENERATED-FILE OUT-FOLDER

Splits the one Kotlin file that UniFFI generates into the public API and its plumbing:

  OUT-FOLDER/dev/larder/Contract.kt             the contract's records and enums: public, package dev.larder
  OUT-FOLDER/dev/larder/internal/ffi/Native.kt  everything else: internal, package dev.larder.internal.ffi

UniFFI declares its converters, buffers and object handles public and in the package of the records. An app that completes
`dev.larder.` in an IDE would meet 200 of them. After the split both files compile in Kotlin's explicit API mode, in one
module with the hand-written sources. The split fails if the generator writes something that it does not know.

A type of the contract is public if it is a record or an enum whose name does not begin with `Ffi`.
"""
import pathlib
import re
import sys

PUBLIC_PACKAGE = "dev.larder"
INTERNAL_PACKAGE = "dev.larder.internal.ffi"
HEADER = """\
// Written by scripts/generate-bindings from udl/src/larder.udl: do not edit.
@file:Suppress("warnings")

package {package}

"""
MODIFIERS = "public|private|internal|open|abstract|data|enum|sealed|inline|const|suspend|external|override"
DECLARATION = re.compile(
    rf"(?P<modifiers>(?:\b(?:{MODIFIERS})\s+)*)\b(?P<kind>fun\s+interface|class|interface|object|fun|val|var|typealias)\b\s*"
    r"(?:<[^>]*>\s*)?(?:[\w?.]+\.)?`?(?P<name>\w+)"
)
# What explicit API mode wants a modifier on. Functions of records override, which needs none.
MEMBER = re.compile(r"^(?P<indent>[ \t]*)(?=(?:data class|sealed class|enum class|class|object|val) )", re.MULTILINE)
EMPTY_COMPANION = re.compile(r"^[ \t]*companion object[ \t]*$\n?", re.MULTILINE)
KDOC = re.compile(r"/\*\*(?:[^*]|\*(?!/))*\*/\s*\Z")


class Declaration:
    def __init__(self, match, start, end):
        self.name, self.kind, self.modifiers = match["name"], match["kind"], match["modifiers"].split()
        self.at, self.start, self.end = match.start(), start, end

    @property
    def is_public_type(self):
        is_data = self.kind == "class" and {"data", "enum", "sealed"} & set(self.modifiers)
        return bool(is_data) and not self.name.startswith("Ffi")


def main():
    if len(sys.argv) != 3 or sys.argv[1] in ("--help", "-h"):
        sys.exit(__doc__.strip())
    generated, out = map(pathlib.Path, sys.argv[1:])
    public, internal = split(generated.read_text())
    write(out / "dev/larder/Contract.kt", public)
    write(out / "dev/larder/internal/ffi/Native.kt", internal)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def split(text):
    declarations = list(find_declarations(text))
    types = [d for d in declarations if d.is_public_type]
    check(declarations, types)
    public_text = "\n\n".join(made_public(text[d.start:d.end]) for d in types)
    plumbing = {d.name for d in declarations} - {d.name for d in types}
    used = sorted(plumbing & set(re.findall(r"\w+", without_comments(public_text))))
    imports = "".join(f"import {INTERNAL_PACKAGE}.{name}\n" for name in used)
    public = HEADER.format(package=PUBLIC_PACKAGE) + imports + "\n" + public_text + "\n"

    pieces, at = [], text.index("\n", text.index(f"package {INTERNAL_PACKAGE}")) + 1
    for d in declarations:
        if d.is_public_type:
            pieces.append(text[at:d.start])
            at = d.end
        else:
            pieces += [text[at:d.at], visibility(d, used)]
            at = d.at + sum(len(m) for m in re.match(rf"(?:(?:{MODIFIERS})\s+)*", text[d.at:]).group().splitlines(True))
    pieces.append(text[at:])
    imports = "".join(f"import {PUBLIC_PACKAGE}.{d.name}\n" for d in types)
    return public, HEADER.format(package=INTERNAL_PACKAGE) + imports + "".join(pieces)


def visibility(declaration, used):
    """The declaration's modifiers, with a visibility that does not leave the module."""
    rest = [m for m in declaration.modifiers if m not in ("public", "private", "internal")]
    # An internal inline function cannot call a private one.
    is_private = "private" in declaration.modifiers and declaration.name not in used and declaration.kind != "fun"
    return " ".join(["private" if is_private else "internal", *rest]) + " "


def made_public(text):
    """A record or enum in explicit API mode; without its empty companions, which only show up in completions."""
    return MEMBER.sub(r"\g<indent>public ", EMPTY_COMPANION.sub("", text))


def check(declarations, types):
    names = [d.name for d in declarations]
    public = {d.name for d in types}
    if len(types) < 10:
        sys.exit(f"split_contract.py: only {len(types)} records and enums were found: has the generator changed?")
    converted = {n.removeprefix("FfiConverterType") for n in names if n.startswith("FfiConverterType")}
    for name in sorted(public - converted):
        sys.exit(f"split_contract.py: {name} has no converter: has the generator changed?")
    for name in sorted(converted - public):
        if not name.startswith("Ffi"):
            sys.exit(f"split_contract.py: {name} is neither a record nor an enum; a name that begins with Ffi would keep it internal")


def find_declarations(text):
    """The declarations at the top level, in order."""
    code = without_comments(text)
    top = top_level(code)
    begin = top.index(f"package {INTERNAL_PACKAGE}")
    for match in DECLARATION.finditer(top, begin):
        declared = Declaration(match, match.start(), match.end())
        if declared.is_public_type:
            kdoc = KDOC.search(text, 0, match.start())
            declared.start = kdoc.start() if kdoc else match.start()
            declared.end = top.index("}", match.end()) + 1
        yield declared


def top_level(code):
    """The same length, with everything inside of brackets blank."""
    out, depth = [], 0
    for char in code:
        if char in ")]}":
            depth -= 1
        out.append(char if depth == 0 or char == "\n" else " ")
        if char in "([{":
            depth += 1
        if depth < 0:
            sys.exit("split_contract.py: the brackets do not match")
    if depth:
        sys.exit("split_contract.py: a bracket is not closed")
    return "".join(out)


def without_comments(text):
    """The same length, with comments and the text of strings blank."""
    out, at = list(text), 0

    def blank(start, end):
        for i in range(start, end):
            if out[i] != "\n":
                out[i] = " "

    while at < len(text):
        if text.startswith("//", at):
            end = text.find("\n", at)
        elif text.startswith("/*", at):
            end = text.index("*/", at) + 2
        elif text.startswith('"', at):
            end = string_end(text, at)
        elif text.startswith("'", at):
            end = re.compile(r"'(?:\\.[^']*|[^'\\])'").match(text, at).end()
        else:
            at += 1
            continue
        blank(at, end)
        at = end
    return "".join(out)


def string_end(text, at):
    quote = '"""' if text.startswith('"""', at) else '"'
    at += len(quote)
    while not text.startswith(quote, at):
        if text[at] == "\\" and quote == '"':
            at += 2
        elif text.startswith("${", at):
            at = text.index("}", at) + 1
        else:
            at += 1
    return at + len(quote)


if __name__ == "__main__":
    main()
