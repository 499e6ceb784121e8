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
 * What the app has registered with PlayKit, or with the older native SDK, for [LocalAssetsManager.importAssets]:
 * ```
 * val records = PlayKitRecords(context)
 * val outcome = manager.importAssets(records.read(titles))
 * // later, when everything plays
 * records.removeVerified(manager, titles.map { it.assetId })
 * ```
 * PlayKit stored a license under the PSSH box it was asked for with, and nothing of the media's path or license server.
 * So the app says which titles there are, as it would to register them; the rest is found in their media. Nothing here uses
 * the network, and nothing is changed before [removeVerified] or [forget].
 *
 * It reads the preferences `PlayKitLocalStorage` (assets and licenses), `OfflineDrmStore` (licenses of the older SDK) and
 * `KalturaOfflineManager` (sources of the offline manager).
 *
 * Everything that does not suspend touches the disk: call it off the main thread.
 *
 * @param own the storage that the app gave to PlayKit's `LocalAssetsManager`, if it gave one. It cannot list what it has:
 *   [assetIds] then has the offline manager's alone.
 */
public class PlayKitRecords @JvmOverloads constructor(context: Context, private val own: LocalDrmStorage? = null) {
    private val context: Context = context.applicationContext ?: context

    private val playKit: SharedPreferences by lazy { preferences(PLAY_KIT) }
    private val older: SharedPreferences by lazy { preferences(OLDER_SDK) }
    private val offline: SharedPreferences by lazy { preferences(OFFLINE_MANAGER) }

    /** The ids of the assets that PlayKit has records of. The older SDK kept none. */
    public fun assetIds(): Set<String> = buildSet {
        if (own == null) addAll(playKit.suffixes(ASSET_ID))
        addAll(offline.suffixes(SOURCE_ID))
        addAll(offline.suffixes(DRM_PARAMS))
    }

    /**
     * The titles with the licenses that PlayKit has stored for them, to be imported. Reads their manifests and init
     * segments; a title whose media cannot be read comes back without licenses, and the import says what is wrong with it.
     *
     * @param titles as they would be registered. A source without an id or DRM parameters gets what the offline manager
     *   kept of them.
     */
    public fun read(titles: List<AssetRegistration>): List<AssetImport> =
        titles.map { title -> AssetImport(completed(title), licenses(title.path)) }

    /**
     * Removes PlayKit's records, all of them, once every title is Larder's: it is registered, and its media and licenses
     * answer when they are looked at ([LocalAssetsManager.verifyAsset]); one that has expired counts as well. Otherwise
     * nothing is removed, because titles share licenses there, and nobody knows which.
     *
     * @param assetIds every title that the app has from PlayKit. Those of [assetIds] are looked at in any case.
     * @return the ids that stand in the way; empty if the records are gone.
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
     * Removes what PlayKit noted about one asset, for a title that is no longer wanted: its license stays where it is,
     * another title may use it.
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

    /** The offline manager's, until the asset was registered: `{"licenseUri": …, "scheme": "WidevineCENC"}`. */
    private fun drmParams(assetId: String): DrmParams? {
        val text = offline.getString(DRM_PARAMS + assetId, null) ?: return null
        return try {
            val params = JSONObject(text)
            DrmParams(DrmScheme.WIDEVINE, params.getString("licenseUri")).takeIf { params.getString("scheme") == WIDEVINE }
        } catch (_: JSONException) {
            null
        }
    }

    /** PlayKit asked with one PSSH box of the media, whichever it found; each that the media has is looked up. */
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
            "PlayKit's preferences cannot be written",
            Remedy.RETRY,
            isRetryable = true,
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

        /** A `pssh` box of version 0: size, type, version and flags, system id, then the payload with its length. */
        const val PAYLOAD_OFFSET = 32

        /** What answered: its end is no reason to keep another library's record of it. */
        val VERIFIED =
            setOf(PlayabilityReason.PLAYABLE, PlayabilityReason.LICENSE_EXPIRED, PlayabilityReason.PLAYBACK_WINDOW_OVER)

        fun ByteArray.asKey(): String = Base64.encodeToString(this, Base64.NO_WRAP)

        fun decoded(text: String): ByteArray? = try {
            Base64.decode(text, Base64.DEFAULT).takeIf { it.isNotEmpty() }
        } catch (_: IllegalArgumentException) {
            null
        }

        /** What was asked with before Android 5, and stayed stored under that through updates. */
        fun payload(pssh: ByteArray): ByteArray =
            if (pssh.size > PAYLOAD_OFFSET && pssh[8].toInt() == 0) pssh.copyOfRange(PAYLOAD_OFFSET, pssh.size) else pssh

        fun isInitData(key: String): Boolean = ':' !in key && decoded(key) != null
    }
}
