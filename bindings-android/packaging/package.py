#!/usr/bin/env python3
"""usage: package.py --version V --out FOLDER --module NAME [--jni FOLDER] [--javadoc FOLDER] [--notices FILE]

Makes the published files of one module of bindings-android from the classes that Maven has compiled:

  larder-NAME-V.aar           classes, manifest, consumer rules, license texts, native libraries
  larder-NAME-V-sources.jar
  larder-NAME-V-javadoc.jar   the pages in --javadoc
  larder-NAME-V.pom

The same input gives the same bytes on any machine and at any time: entries are sorted, and their times and modes are fixed.
scripts/build-android calls it.
"""
import argparse
import io
import pathlib
import re
import sys
import zipfile
from xml.sax.saxutils import escape

HERE = pathlib.Path(__file__).resolve().parent
BINDINGS = HERE.parent
REPOSITORY = BINDINGS.parent
# The earliest time of a ZIP entry.
EPOCH = (1980, 1, 1, 0, 0, 0)
# The parts that Dokka writes differently each time: the year of a page, and an object's address in a style's name.
VARYING = re.compile("© [0-9]{4} Copyright|org\\.jetbrains\\.dokka\\.pages\\.[a-z]+@[0-9a-f]+ ".encode())
ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64")

# The dependencies of an app with the AAR. Scope `compile` for those in our signatures, `runtime` for the rest.
DEPENDENCIES = {
    "sdk": [
        ("org.jetbrains.kotlin", "kotlin-stdlib", "kotlin.version", "compile", None),
        ("org.jetbrains.kotlinx", "kotlinx-coroutines-core", "coroutines.version", "runtime", None),
        # The AAR has JNA's library for Android; the JAR of the same name does not.
        ("net.java.dev.jna", "jna", "jna.version", "runtime", "aar"),
    ],
    "media3": [
        ("dev.larder", "larder-sdk", None, "compile", "aar"),
        ("org.jetbrains.kotlin", "kotlin-stdlib", "kotlin.version", "compile", None),
        ("androidx.media3", "media3-exoplayer", "media3.version", "compile", "aar"),
    ],
}
DESCRIPTIONS = {
    "sdk": "Register downloaded media while online, play it later without a network, DRM included.",
    "media3": "Larder's registered assets in a Media3 player: licenses, source URLs, errors.",
}
METADATA = (
    "aarFormatVersion=1.0\naarMetadataVersion=1.0\nminCompileSdk=1\nminCompileSdkExtension=0\n"
    "minAndroidGradlePluginVersion=1.0.0\n"
)


def main():
    if "--help" in sys.argv or "-h" in sys.argv:
        print(__doc__.strip())
        return
    parser = argparse.ArgumentParser(usage=__doc__)
    for option in ("version", "out", "module"):
        parser.add_argument(f"--{option}", required=True)
    for option in ("jni", "javadoc", "notices"):
        parser.add_argument(f"--{option}", type=pathlib.Path)
    said = parser.parse_args()
    module = BINDINGS / said.module
    out = pathlib.Path(said.out)
    out.mkdir(parents=True, exist_ok=True)
    name = f"larder-{said.module}-{said.version}"
    licenses = license_texts(said.notices)

    (out / f"{name}.aar").write_bytes(aar(module, licenses, said.jni))
    (out / f"{name}-sources.jar").write_bytes(archive({**sources(module), **licenses}))
    (out / f"{name}.pom").write_text(pom(said.module, said.version))
    if said.javadoc:
        (out / f"{name}-javadoc.jar").write_bytes(archive({**pages(said.javadoc), **licenses}))


def aar(module, licenses, jni):
    classes = {p.relative_to(module / "target/classes").as_posix(): p.read_bytes() for p in files(module / "target/classes")}
    classes = {n: data for n, data in classes.items() if n.startswith("dev/larder/") or n.endswith(".kotlin_module")}
    if not classes:
        sys.exit(f"package.py: {module.name} is not compiled: scripts/test kotlin")
    entries = {
        "AndroidManifest.xml": (module / "src/main/AndroidManifest.xml").read_bytes(),
        "META-INF/com/android/build/gradle/aar-metadata.properties": METADATA.encode(),
        "R.txt": b"",
        "classes.jar": archive({**classes, **licenses}),
        "proguard.txt": (module / "consumer-rules.pro").read_bytes(),
    }
    for abi in ABIS if jni else ():
        for library in sorted((jni / abi).glob("*.so")):
            entries[f"jni/{abi}/{library.name}"] = library.read_bytes()
    return archive(entries)


def license_texts(notices):
    texts = {f"META-INF/larder/{n}": (REPOSITORY / n).read_bytes() for n in ("LICENSE-APACHE", "LICENSE-MIT")}
    if notices:
        texts["META-INF/larder/THIRD-PARTY.txt"] = notices.read_bytes()
    return texts


def sources(module):
    folders = [module / "src/main/kotlin", module / "target/generated/kotlin"]
    return {p.relative_to(f).as_posix(): p.read_bytes() for f in folders if f.is_dir() for p in files(f)}


def pages(folder):
    """Returns Dokka's pages without their varying parts."""
    return {p.relative_to(folder).as_posix(): VARYING.sub(b"", p.read_bytes()) for p in files(folder)}


def files(folder):
    return sorted(p for p in folder.rglob("*") if p.is_file())


def archive(entries):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as z:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr = 0o644 << 16
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(info, entries[name], compresslevel=9)
    return data.getvalue()


def pom(module, version):
    parent = (BINDINGS / "pom.xml").read_text()

    def version_of(prop):
        return re.search(rf"<{re.escape(prop)}>([^<]+)<", parent).group(1) if prop else version

    dependencies = "".join(
        f"    <dependency>\n      <groupId>{group}</groupId>\n      <artifactId>{artifact}</artifactId>\n"
        f"      <version>{version_of(prop)}</version>\n"
        + (f"      <type>{kind}</type>\n" if kind else "")
        + f"      <scope>{scope}</scope>\n    </dependency>\n"
        for group, artifact, prop, scope, kind in DEPENDENCIES[module]
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
         xsi:schemaLocation="http://maven.apache.org/POM/4.0.0 https://maven.apache.org/xsd/maven-4.0.0.xsd">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dev.larder</groupId>
  <artifactId>larder-{module}</artifactId>
  <version>{version}</version>
  <packaging>aar</packaging>
  <name>larder-{module}</name>
  <description>{escape(DESCRIPTIONS[module])}</description>
  <licenses>
    <license>
      <name>Apache-2.0</name>
      <url>https://www.apache.org/licenses/LICENSE-2.0.txt</url>
    </license>
    <license>
      <name>MIT</name>
      <url>https://opensource.org/license/mit</url>
    </license>
  </licenses>
  <dependencies>
{dependencies}  </dependencies>
</project>
"""


if __name__ == "__main__":
    main()
