#!/usr/bin/env python3
"""usage: check_library.py [--any-symbols] ABI FILE…

Fails unless each file is a shared library for the ABI with segments aligned for 16 KB pages that exports only UniFFI's and JNI's
symbols (--any-symbols permits other symbols, for libraries of other projects).
"""
import re
import struct
import sys

# ABI: (ELF class, machine)
MACHINES = {"arm64-v8a": (2, 183), "armeabi-v7a": (1, 40), "x86_64": (2, 62)}
PAGE_BYTES = 16384
OURS = re.compile(r"uniffi_|UNIFFI_META_|ffi_|Java_|JNI_OnLoad$|JNI_OnUnload$|_init$|_fini$")
PT_LOAD, SHT_DYNSYM = 1, 11


def main():
    arguments = sys.argv[1:]
    if not arguments or "--help" in arguments or "-h" in arguments:
        print(__doc__.strip())
        return
    any_symbols = "--any-symbols" in arguments
    abi, *paths = [a for a in arguments if a != "--any-symbols"]
    complaints = [f"{path}: {why}" for path in paths for why in check(open(path, "rb").read(), abi, any_symbols)]
    if complaints:
        sys.exit("\n".join(complaints))


def check(data, abi, any_symbols):
    wanted_class, wanted_machine = MACHINES[abi]
    if data[:4] != b"\x7fELF" or data[4] != wanted_class or struct.unpack_from("<H", data, 18)[0] != wanted_machine:
        yield f"is not a library for {abi}"
        return
    is_64 = wanted_class == 2
    for kind, align in segments(data, is_64):
        if kind == PT_LOAD and align % PAGE_BYTES:
            yield f"has a segment aligned to {align:#x}, which a device with 16 KB pages does not load"
            break
    symbols = exported(data, is_64)
    if not symbols:
        yield "exports nothing"
    foreign = [s for s in symbols if not OURS.match(s)]
    if foreign and not any_symbols:
        yield f"exports symbols other than UniFFI's and JNI's: {' '.join(foreign[:10])}"


def segments(data, is_64):
    start, size, count = table(data, is_64, 32 if is_64 else 28, 54 if is_64 else 42)
    for i in range(count):
        at = start + i * size
        kind = struct.unpack_from("<I", data, at)[0]
        yield kind, struct.unpack_from("<Q", data, at + 48)[0] if is_64 else struct.unpack_from("<I", data, at + 28)[0]


def exported(data, is_64):
    start, size, count = table(data, is_64, 40 if is_64 else 32, 58 if is_64 else 46)
    sections = []
    for i in range(count):
        at = start + i * size
        if is_64:
            kind, = struct.unpack_from("<I", data, at + 4)
            offset, length, link = struct.unpack_from("<QQI", data, at + 24)
        else:
            kind, = struct.unpack_from("<I", data, at + 4)
            offset, length, link = struct.unpack_from("<III", data, at + 16)
        sections.append((kind, offset, length, link))
    names = []
    for kind, offset, length, link in sections:
        if kind != SHT_DYNSYM:
            continue
        strings = sections[link][1]
        for at in range(offset, offset + length, 24 if is_64 else 16):
            if is_64:
                name, info, _, section = struct.unpack_from("<IBBH", data, at)
            else:
                name, _, _, info, _, section = struct.unpack_from("<IIIBBH", data, at)
            if section and info >> 4 in (1, 2):  # defined; global or weak
                names.append(data[strings + name : data.index(b"\0", strings + name)].decode())
    return names


def table(data, is_64, at, sizes_at):
    start = struct.unpack_from("<Q" if is_64 else "<I", data, at)[0]
    return start, *struct.unpack_from("<HH", data, sizes_at)


if __name__ == "__main__":
    main()
