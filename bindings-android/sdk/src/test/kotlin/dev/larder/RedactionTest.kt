package dev.larder

import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Tests the text of records, which apps may log. */
class RedactionTest {
    @Test
    fun `no record's text has a signed URL, a header value or bytes`() {
        val url = "https://host.example/s3cr3t?token=s3cr3t"
        val bytes = "s3cr3t".encodeToByteArray()
        val params = DrmParams(DrmScheme.FAIR_PLAY, url, certificate = bytes, certificateUrl = url)
        val source = MediaSource("source", url, MediaFormat.HLS, listOf(params))
        val headers = listOf(HttpHeader("Authorization", "Bearer s3cr3t"))
        val request = KeyRequest(DrmScheme.FAIR_PLAY, bytes, emptyList(), "video/mp4", bytes, SecurityLevel.DEFAULT)
        val records = listOf(
            params,
            source,
            MediaEntry("entry", "name", listOf(source)),
            AssetRegistration("a", "/films/a", source, metadata = bytes),
            headers.single(),
            LicenseRequest(ExchangeKind.LICENSE, "a", url, headers, bytes),
            LicenseResponse(ExchangeKind.LICENSE, "a", 200, headers, bytes),
            ExchangeMessage(ExchangeKind.LICENSE, bytes, url),
            ExchangeAnswer(bytes, 60),
            request,
            StoredLicense("id", DrmScheme.FAIR_PLAY, bytes, request),
            LicenseGrant(GrantedHandle.New(bytes), LicenseTimes(LicenseDuration.Unknown, LicenseDuration.Unknown)),
            GrantedHandle.Changed(bytes),
            LocalLicense("id", DrmScheme.FAIR_PLAY, emptyList(), bytes, SecurityLevel.DEFAULT, Expiry.Unknown),
            HttpRequest("POST", url, headers, bytes, 1_000, 1_000),
            HttpResponse(200, headers, bytes),
            LicenseImport(DrmScheme.FAIR_PLAY, bytes, bytes, Expiry.Unknown),
            InitData(DrmScheme.FAIR_PLAY, null, emptyList(), bytes, "skd://s3cr3t", emptyList()),
            LarderConfig("/data", extraRootCertificates = listOf(bytes)),
        )
        for (record in records) {
            val shown = "$record ${Result.success(record)}"
            assertFalse("s3cr3t" in shown, shown)
            assertTrue(record.javaClass.simpleName in shown, shown)
        }
        assertTrue("Authorization" in headers.toString() && "FairPlay" in source.toString())
    }
}
