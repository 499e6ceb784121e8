package dev.larder

import dev.larder.storage.MemoryDrmStorage
import dev.larder.support.CLEAR_TITLE
import dev.larder.support.PROTECTED_TITLE
import dev.larder.support.TestDevice
import dev.larder.support.TestServersExtension
import dev.larder.support.clearSource
import dev.larder.support.eventually
import dev.larder.support.protectedSource
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.extension.RegisterExtension

/** Tests the app's request adapter, token provider and source URL provider. */
class DelegatesTest {
    @JvmField @RegisterExtension
    val online = TestServersExtension()
    private val device = TestDevice()

    @AfterEach
    fun end() {
        device.close()
    }

    private fun context(adapter: RequestAdapter? = null, tokens: TokenProvider? = null, urls: SourceURLProvider? = null) =
        LarderSetup(
            device.config.copy(softwareClearKey = true),
            MemoryDrmStorage(),
            requestAdapter = adapter,
            tokenProvider = tokens,
            sourceURLProvider = urls,
        )

    private fun register(context: LarderSetup, source: MediaSource = protectedSource(online)): AssetStatus = runBlocking {
        val path = device.download(PROTECTED_TITLE)
        LocalAssetsManager(context).use { it.registerAsset(source, path, "a") }
    }

    @Test
    fun `a request adapter changes every request and unpacks its response`() {
        val kinds = mutableListOf<String>()
        val adapter = object : RequestAdapter {
            override fun adapt(request: LicenseRequest): LicenseRequest {
                synchronized(kinds) { kinds += "${request.kind} ${request.assetId}" }
                return request.copy(
                    assetId = "another",
                    url = request.url.replace("/elsewhere", "/clearkey/license"),
                    headers = request.headers + HttpHeader("X-Gateway", "key-1"),
                )
            }

            override fun parse(response: LicenseResponse): ExchangeAnswer {
                assertEquals(200, response.status)
                assertEquals("a", response.assetId)
                return ExchangeAnswer(response.body, null)
            }
        }
        val remote = protectedSource(online)
        val source = remote.copy(drm = remote.drm.map { it.copy(licenseUrl = online.url("/elsewhere")) })
        runBlocking {
            val path = device.download(PROTECTED_TITLE)
            LocalAssetsManager(context(adapter)).use { manager ->
                assertTrue(manager.registerAsset(source, path, "a").isPlayable)
                manager.unregisterAsset("a")
                eventually("the release uses the adapter, too") { online.live == 0 }
            }
        }
        assertEquals(listOf("LICENSE a", "RELEASE a"), kinds)
        assertTrue("key-1" in online.journal)
    }

    @Test
    fun `an exception of the request adapter stops the request`() {
        val refused = assertThrows<LarderException> { register(context({ throw NotImplementedError("s3cr3t") })) }
        assertEquals(LarderException.Code.DELEGATE_FAILED, refused.code)
        assertFalse("s3cr3t" in refused.stackTraceToString())
        val own = assertThrows<LarderException> {
            register(context({ throw LarderException(LarderException.Code.UNAUTHORIZED, "no session") }))
        }
        assertEquals(LarderException.Code.UNAUTHORIZED, own.code)
        assertEquals(0, online.requests)
    }

    @Test
    fun `a token provider is called at the time of use and once more after a refused token`() {
        online.policy("""{"require_token":"fresh"}""")
        val asked = mutableListOf<String>()
        val tokens = TokenProvider { assetId, rejected ->
            synchronized(asked) { asked += "$assetId $rejected" }
            if (rejected) "Bearer fresh" else "Bearer stale"
        }
        assertTrue(register(context(tokens = tokens)).isPlayable)
        assertEquals(listOf("a false", "a true"), asked)
    }

    @Test
    fun `a token that is refused twice is UNAUTHORIZED with the remedy to sign in`() {
        online.policy("""{"require_token":"fresh"}""")
        val refused = assertThrows<LarderException> { register(context(tokens = { _, _ -> "Bearer stale" })) }
        assertEquals(LarderException.Code.UNAUTHORIZED, refused.code)
        assertEquals(403, refused.httpStatus)
        assertEquals(Remedy.SIGN_IN, refused.remedy)
    }

    @Test
    fun `the app's source URL provider is called at every playback and never cached`(): Unit = runBlocking {
        val path = device.download(CLEAR_TITLE)
        var answer: String? = null
        LocalAssetsManager(context(urls = { answer })).use { manager ->
            manager.registerAsset(clearSource, path, "a", entryId = "entry")
            fun play() = manager.sourceURLProvider.getURL("entry", "https://cdn.example/a.mpd")
            assertNull(play(), "null keeps the current URL")
            answer = "https://other.example/a.mpd"
            assertEquals("https://other.example/a.mpd", play())
            answer = null
            assertNull(play())
            manager.setSourceUrlMode(SourceUrlMode.LOCAL_ALWAYS)
            assertEquals(
                manager.getLocalMediaSource("a", path).url,
                play(),
                "the app keeps the URL, so the registry answers",
            )
            answer = "https://other.example/a.mpd"
            assertEquals("https://other.example/a.mpd", play(), "the app first")
            manager.setSourceUrlMode(SourceUrlMode.LOCAL_ALWAYS, SourceUrlOrder.REGISTRY_FIRST)
            assertTrue(play()?.startsWith("file:") == true)
        }
    }

    @Test
    fun `LOCAL_WHEN_OFFLINE plays downloads only while offline`(): Unit = runBlocking {
        val path = device.download(CLEAR_TITLE)
        LocalAssetsManager(context()).use { manager ->
            manager.registerAsset(clearSource, path, "a")
            manager.setSourceUrlMode(SourceUrlMode.LOCAL_WHEN_OFFLINE)
            manager.setNetworkState(NetworkState.ONLINE)
            assertNull(manager.sourceUrl("a"))
            manager.setNetworkState(NetworkState.OFFLINE)
            assertTrue(manager.sourceUrl("a")?.startsWith("file:") == true)
            manager.setSourceUrlMode(SourceUrlMode.OFF)
            assertNull(manager.sourceUrl("a"))
        }
    }

    @Test
    fun `a failing source URL provider keeps the current URL`() {
        for (thrown in listOf(IllegalStateException(), NotImplementedError())) {
            LocalAssetsManager(context(urls = { throw thrown })).use { assertNull(it.sourceUrl("a")) }
        }
    }

    @Test
    fun `a source URL provider may override the form with the current URL`() {
        val provider = object : SourceURLProvider {
            override fun getURL(entryId: String): String? = null
            override fun getURL(entryId: String, currentURL: String?): String? = currentURL?.replace("cdn", "edge")
        }
        LocalAssetsManager(context(urls = provider)).use {
            assertEquals("https://edge.example", it.sourceUrl("a", "https://cdn.example"))
        }
    }
}
