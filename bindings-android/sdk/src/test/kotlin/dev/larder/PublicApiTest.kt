package dev.larder

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File

/**
 * Holds the compiled classes to the public API: an IDE that completes `dev.larder.` in Kotlin or Java shows the classes below
 * and nothing else. Internal and generated classes are in `dev.larder.internal`.
 */
class PublicApiTest {
    private val root = File(System.getProperty("larder.classes"), "dev/larder")

    /** The classes that are written by hand. */
    private val handWritten = setOf(
        "AssetCatalog",
        "Cancellable",
        "Larder",
        "LarderException",
        "LarderSetup",
        "LarderStartup",
        "LocalAssetsManager",
        "LocalPlayback",
        "LogSink",
        // Holds PlayKit's names, which are type aliases, for the Kotlin compiler. It has no member.
        "PlayKitNamesKt",
        "PlayKitRecords",
        "Records",
        "RequestAdapter",
        "ResultListener",
        "SourceURLProvider",
        "TokenProvider",
    )

    /** The records and enums of the contract, which are generated. */
    private val contract = setOf(
        "AssetImport",
        "AssetInfo",
        "AssetRegistration",
        "AssetStatus",
        "AssetWarning",
        "DeviceConditions",
        "DrmParams",
        "DrmScheme",
        "ExchangeAnswer",
        "ExchangeKind",
        "ExchangeMessage",
        "Expiry",
        "GrantedHandle",
        "HttpHeader",
        "HttpRequest",
        "HttpResponse",
        "ImportResult",
        "InitData",
        "InitDataTrack",
        "KeyCoverage",
        "KeyRequest",
        "LarderConfig",
        "LicenseDuration",
        "LicenseGrant",
        "LicenseImport",
        "LicenseRequest",
        "LicenseResponse",
        "LicenseState",
        "LicenseStatus",
        "LicenseTimes",
        "LicenseWire",
        "LocalLicense",
        "LocalMediaSource",
        "LogLevel",
        "MediaEntry",
        "MediaFormat",
        "MediaPresence",
        "MediaSource",
        "NetworkState",
        "OpenReport",
        "PlayKitStatus",
        "PlayabilityReason",
        "ReconcileReport",
        "ReleaseOutcome",
        "Remedy",
        "RenewalPolicy",
        "RenewalResult",
        "SecurityLevel",
        "SourceUrlMode",
        "SourceUrlOrder",
        "StorageRoot",
        "StoredLicense",
        "TrackKind",
        "UnregisterResult",
    )

    private fun classesIn(folder: String): Set<String> = File(root, folder).listFiles().orEmpty()
        .filter { it.extension == "class" && '$' !in it.name }
        .map { it.nameWithoutExtension }
        .toSet()

    @Test
    fun `the top package contains the public API and no plumbing`() {
        assertEquals((handWritten + contract).sorted(), classesIn("").sorted())
    }

    @Test
    fun `the packages for engines and storages contain the public API and no plumbing`() {
        assertEquals(listOf("DrmEngine", "LicenseExchange", "MediaDrmEngine"), classesIn("drm").sorted())
        assertEquals(
            listOf(
                "FileDrmStorage",
                "LocalDrmStorage",
                "MemoryDrmStorage",
                "SealedDrmStorage",
                "SharedPreferencesDrmStorage",
                "StorageFolders",
            ),
            classesIn("storage").sorted(),
        )
    }

    @Test
    fun `every other class is in an internal package`() {
        val packages = root.listFiles().orEmpty().filter { it.isDirectory }.map { it.name }
        assertEquals(listOf("drm", "internal", "storage"), packages.sorted())
        assertTrue("UniffiLib" in classesIn("internal/ffi"), "the generated classes are missing")
    }

    @Test
    fun `no class outside of the internal packages has a generated name`() {
        val generated = Regex("Uniffi|FfiConverter|RustBuffer|^Ffi|ForeignBytes|Disposable")
        val visible = root.walk().filter { it.extension == "class" && !it.startsWith(File(root, "internal")) }
        assertEquals(emptyList<String>(), visible.map { it.name }.filter(generated::containsMatchIn).toList())
    }
}
