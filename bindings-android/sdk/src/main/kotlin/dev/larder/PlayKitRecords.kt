package dev.larder

import android.content.Context
import android.content.SharedPreferences
import android.util.Base64
import dev.larder.internal.ffi.findInitData
import dev.larder.storage.LocalDrmStorage
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import org.json.JSONException
import org.json.JSONObject
import java.io.FileNotFoundException
import java.util.concurrent.Executor

/**
 * Reads the assets and licenses that the app has registered with PlayKit or with the older native SDK, for
 * [LocalAssetsManager.importAssets]:
 * ```
 * val records = PlayKitRecords(context)
 * val outcome = manager.importAssets(records.read(titles))
 * // later, when everything plays
 * records.removeVerified(manager, titles.map { it.assetId })
 * ```
 * PlayKit stored each license under the PSSH box of its request, and stored neither the path of the media nor the license
 * server. So the app names its titles as it would to register them, and this class finds the licenses by the PSSH boxes of their
 * media. It uses no network, and changes nothing before [removeVerified] or [forget].
 *
 * It reads the preferences `PlayKitLocalStorage` (assets and licenses), `OfflineDrmStore` (licenses of the older SDK) and
 * `KalturaOfflineManager` (sources of the offline manager).
 *
 * Every function that does not suspend reads the disk: call it off the main thread.
 *
 * @param own the storage that the app passed to PlayKit's `LocalAssetsManager`, if any. It cannot list its keys, so [assetIds]
 *   then returns the ids of the offline manager alone.
 */
public class PlayKitRecords @JvmOverloads constructor(context: Context, private val own: LocalDrmStorage? = null) {
    private val context: Context = context.applicationContext ?: context

    private val playKit: SharedPreferences by lazy { preferences(PLAY_KIT) }
    private val older: SharedPreferences by lazy { preferences(OLDER_SDK) }
    private val offline: SharedPreferences by lazy { preferences(OFFLINE_MANAGER) }

    /** Returns the ids of the assets in PlayKit's records. The older SDK stored no ids. */
    public fun assetIds(): Set<String> = buildSet {
        if (own == null) addAll(playKit.suffixes(ASSET_ID))
        addAll(offline.suffixes(SOURCE_ID))
        addAll(offline.suffixes(DRM_PARAMS))
    }

    /**
     * Returns the titles with the licenses that PlayKit has stored for them, ready to import. Reads their manifests and init
     * segments. A title whose media cannot be read is returned without licenses, and its import reports the reason.
     *
     * @param titles the titles as the app would register them. A source without an id or DRM parameters gets those of the
     *   offline manager's records.
     */
    public fun read(titles: List<AssetRegistration>): List<AssetImport> =
        titles.map { title -> AssetImport(completed(title), licenses(title.path)) }

    /**
     * Removes all of PlayKit's records if every title is verified ([LocalAssetsManager.verifyAsset]): it is registered, its
     * media is present and the CDM knows its licenses, expired or not. Otherwise removes nothing, because PlayKit's titles
     * share licenses and its records do not say which.
     *
     * @param assetIds every title that the app has from PlayKit. The ids of [assetIds] are verified in any case.
     * @return the ids that are not verified; empty if the records are removed.
     */
    @JvmSynthetic
    public suspend fun removeVerified(manager: LocalAssetsManager, assetIds: Collection<String>): List<String> =
        withContext(Dispatchers.IO) {
            val all = assetIds.toSet() + assetIds()
            val unverified = all.filter { manager.verifyAsset(it).why !in VERIFIED }
            if (unverified.isEmpty()) remove(all, all.flatMap { handlesOf(manager, it) })
            unverified
        }

    /** [removeVerified] for Java. */
    @JvmOverloads
    public fun removeVerified(
        manager: LocalAssetsManager,
        assetIds: Collection<String>,
        listener: ResultListener<List<String>>,
        executor: Executor? = null,
    ): Cancellable = manager.start(listener, executor) { removeVerified(manager, assetIds) }

    /**
     * Removes PlayKit's records of one asset, for a title that the app does not import. Keeps its license, which another title
     * may use.
     */
    public fun forget(assetId: String) {
        if (own == null) playKit.remove(listOf(ASSET_ID + assetId)) else own.remove(ASSET_ID + assetId)
        offline.remove(listOf(SOURCE_ID + assetId, DRM_PARAMS + assetId))
    }

    private fun completed(title: AssetRegistration): AssetRegistration {
        val source = title.source
        val id = source.id.ifEmpty { offline.getString(SOURCE_ID + title.assetId, null) ?: "" }
        val drm = source.drm.ifEmpty { listOfNotNull(drmParams(title.assetId)) }
        return title.copy(source = source.copy(id = id, drm = drm))
    }

    /** Reads the offline manager's record, which exists until the registration: `{"licenseUri": …, "scheme": "WidevineCENC"}`. */
    private fun drmParams(assetId: String): DrmParams? {
        val text = offline.getString(DRM_PARAMS + assetId, null) ?: return null
        return try {
            val params = JSONObject(text)
            DrmParams(DrmScheme.WIDEVINE, params.getString("licenseUri")).takeIf { params.getString("scheme") == WIDEVINE }
        } catch (_: JSONException) {
            null
        }
    }

    /** PlayKit requested a license with any one PSSH box of the media, so this looks up every box that the media has. */
    private fun licenses(path: String): List<LicenseImport> {
        val boxes = try {
            Larder.findInitData(path).filter { it.scheme == DrmScheme.WIDEVINE }.mapNotNull { it.pssh }
        } catch (_: LarderException) {
            return emptyList()
        }
        return boxes.distinctBy { it.asKey() }.mapNotNull { pssh ->
            val handle = handle(pssh.asKey()) ?: handle(payload(pssh).asKey())
            handle?.let { LicenseImport(DrmScheme.WIDEVINE, it, pssh, Expiry.Unknown) }
        }
    }

    private fun handle(key: String): ByteArray? =
        (if (own == null) playKit.bytes(key) else own.find(key)) ?: older.bytes(key)

    private fun handlesOf(manager: LocalAssetsManager, assetId: String): List<String> =
        manager.localMediaSource(assetId).licenses
            .filter { it.scheme == DrmScheme.WIDEVINE }
            .flatMap { listOf(it.initData.asKey(), payload(it.initData).asKey()) }

    private fun remove(assetIds: Set<String>, keys: List<String>) {
        if (own == null) {
            playKit.remove(playKit.all.keys.filter { it.startsWith(ASSET_ID) || isInitData(it) })
        } else {
            for (key in assetIds.map { ASSET_ID + it } + keys) own.remove(key)
        }
        older.remove(older.all.keys.filter(::isInitData))
        offline.remove(offline.all.keys.filter { it.startsWith(SOURCE_ID) || it.startsWith(DRM_PARAMS) })
    }

    private fun preferences(name: String) = context.getSharedPreferences(name, Context.MODE_PRIVATE)

    private fun LocalDrmStorage.find(key: String): ByteArray? = try {
        load(key)
    } catch (_: FileNotFoundException) {
        null
    }

    private fun SharedPreferences.suffixes(prefix: String): List<String> =
        all.keys.filter { it.startsWith(prefix) }.map { it.removePrefix(prefix) }

    private fun SharedPreferences.bytes(key: String): ByteArray? = (all[key] as? String)?.let(::decoded)

    private fun SharedPreferences.remove(keys: List<String>) {
        if (keys.isEmpty() || edit().apply { keys.forEach(::remove) }.commit()) return
        throw LarderException(
            LarderException.Code.STORAGE_FAILED,
            "PlayKit's preferences cannot be written: free space and try again",
        )
    }

    private companion object {
        const val PLAY_KIT = "PlayKitLocalStorage"
        const val OLDER_SDK = "OfflineDrmStore"
        const val OFFLINE_MANAGER = "KalturaOfflineManager"
        const val ASSET_ID = "assetId:"
        const val SOURCE_ID = "assetSourceId:"
        const val DRM_PARAMS = "pkDrmParams:"
        const val WIDEVINE = "WidevineCENC"

        /** The offset of the payload in a `pssh` box of version 0: size, type, version and flags, system id, length. */
        const val PAYLOAD_OFFSET = 32

        /** The results that verify a license: an expired one needs no record of another library, either. */
        val VERIFIED =
            setOf(PlayabilityReason.PLAYABLE, PlayabilityReason.LICENSE_EXPIRED, PlayabilityReason.PLAYBACK_WINDOW_OVER)

        fun ByteArray.asKey(): String = Base64.encodeToString(this, Base64.NO_WRAP)

        fun decoded(text: String): ByteArray? = try {
            Base64.decode(text, Base64.DEFAULT).takeIf { it.isNotEmpty() }
        } catch (_: IllegalArgumentException) {
            null
        }

        /** Returns the payload of a box: the key of licenses from before Android 5, which updates of the app kept. */
        fun payload(pssh: ByteArray): ByteArray =
            if (pssh.size > PAYLOAD_OFFSET && pssh[8].toInt() == 0) pssh.copyOfRange(PAYLOAD_OFFSET, pssh.size) else pssh

        fun isInitData(key: String): Boolean = ':' !in key && decoded(key) != null
    }
}
