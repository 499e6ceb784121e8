package dev.larder.internal.drm

import android.media.DeniedByServerException
import android.media.MediaDrm
import android.media.NotProvisionedException
import android.media.ResourceBusyException
import android.media.UnsupportedSchemeException
import android.os.Build
import dev.larder.LarderException
import dev.larder.Remedy

/** The device has no certificate. Whoever has an exchange can get it one. */
internal class DeviceNotProvisioned : RuntimeException()

/** The CDM cannot make or take a release for this license; it can only be removed. */
internal class ReleaseImpossible : RuntimeException()

/** What a CDM was doing when it failed, for the message and for what the failure means. */
internal enum class CdmStep(val words: String) {
    OPENING("opening"),
    PROVISIONING("provisioning"),
    CHALLENGE("making the request"),
    LICENSE("taking the license"),
    RESTORING("restoring the license"),
    QUERY("telling the license's state"),
    RELEASING("releasing the license"),
    LISTING("listing licenses"),
}

/** Calls the CDM. What it throws becomes a [LarderException], [DeviceNotProvisioned] or [ReleaseImpossible]. */
internal inline fun <T> cdmCall(step: CdmStep, call: () -> T): T = try {
    call()
} catch (e: Throwable) {
    throw e.fromCdm(step)
}

internal fun Throwable.fromCdm(step: CdmStep): Throwable = when {
    isNotProvisioned(this) -> DeviceNotProvisioned()

    step == CdmStep.RELEASING && cdmErrorCode(this) == ErrorCode.LICENSE_RELEASE -> ReleaseImpossible()

    // What the virtual machine says is not the CDM's.
    this is VirtualMachineError || this is InterruptedException -> this

    else -> cdmError(codeOf(this, step), "the CDM failed at ${step.words} (${describe(this)})")
}

/** An error of the CDM's, with the remedy that its code has. */
internal fun cdmError(code: String, message: String): LarderException {
    val (remedy, isRetryable) = when (code) {
        LarderException.Code.CDM_BUSY, LarderException.Code.CDM_FAILED, LarderException.Code.PROVISIONING_FAILED ->
            Remedy.RETRY to true

        LarderException.Code.LICENSE_VANISHED, LarderException.Code.RENEWAL_NOT_PERMITTED,
        LarderException.Code.CDM_LEVEL_CHANGED,
        -> Remedy.REREGISTER to false

        LarderException.Code.LICENSE_EXPIRED -> Remedy.GO_ONLINE to false

        LarderException.Code.DRM_UNSUPPORTED -> Remedy.FIX_INPUT to false

        else -> Remedy.CONTACT_SUPPORT to false
    }
    return LarderException(code, message, remedy, isRetryable)
}

private fun codeOf(error: Throwable, step: CdmStep): String = when {
    isBusy(error) -> LarderException.Code.CDM_BUSY

    error is UnsupportedSchemeException -> LarderException.Code.DRM_UNSUPPORTED

    // The framework throws it for a revoked device, too, and says so in the text alone.
    error is DeniedByServerException ->
        if (step == CdmStep.PROVISIONING || error.message.orEmpty().contains("revoked", ignoreCase = true)) {
            LarderException.Code.CDM_REVOKED
        } else {
            LarderException.Code.LICENSE_DENIED
        }

    step == CdmStep.PROVISIONING -> LarderException.Code.PROVISIONING_FAILED

    else -> when (cdmErrorCode(error)) {
        ErrorCode.KEY_EXPIRED -> LarderException.Code.LICENSE_EXPIRED

        ErrorCode.LICENSE_PARSE -> LarderException.Code.LICENSE_MALFORMED

        ErrorCode.LICENSE_REQUEST_REJECTED -> LarderException.Code.LICENSE_DENIED

        ErrorCode.LICENSE_RESTORE -> LarderException.Code.LICENSE_VANISHED

        in ErrorCode.PROVISIONING -> LarderException.Code.PROVISIONING_FAILED

        // BAD_VALUE: of all that a caller can give, only the answer comes from outside.
        else ->
            if (step == CdmStep.LICENSE && error is IllegalArgumentException) {
                LarderException.Code.LICENSE_MALFORMED
            } else {
                LarderException.Code.CDM_FAILED
            }
    }
}

private fun isBusy(error: Throwable): Boolean = error is ResourceBusyException ||
    cdmErrorCode(error) in ErrorCode.BUSY ||
    isContention(error) ||
    isUnmade(error, "ResourceBusyException")

private fun isNotProvisioned(error: Throwable): Boolean =
    error is NotProvisionedException || isUnmade(error, "NotProvisionedException")

/** Some devices of API 34 look for a constructor that this exception no longer has (androidx/media, b/291440132). */
private fun isUnmade(error: Throwable, exception: String): Boolean =
    error is NoSuchMethodError && error.message.orEmpty().contains("Landroid/media/$exception;.<init>(")

@Suppress("DEPRECATION") // by a number that only API 31 has
private fun isContention(error: Throwable): Boolean =
    Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q &&
        error is MediaDrm.SessionException &&
        error.errorCode == MediaDrm.SessionException.ERROR_RESOURCE_CONTENTION

/** One of [ErrorCode], told from API 31 on. */
private fun cdmErrorCode(error: Throwable): Int =
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S && error is MediaDrm.MediaDrmStateException) {
        error.errorCode
    } else {
        ErrorCode.UNKNOWN
    }

/** The class, and what the framework calls fit for a report: never the text. */
private fun describe(error: Throwable): String {
    val code = cdmErrorCode(error).takeIf { it != ErrorCode.UNKNOWN }?.let { ", error $it" }.orEmpty()
    val info = (error as? MediaDrm.MediaDrmStateException)?.diagnosticInfo.orEmpty()
    val diagnostic = if (diagnosticInfo.matches(info)) ", $info" else ""
    return error.javaClass.simpleName + code + diagnostic
}

private val diagnosticInfo = Regex("android\\.media\\.MediaDrm\\.error_(neg_)?[0-9]{1,10}")

/** `MediaDrm.ErrorCodes`, which is newer than what it numbers. */
private object ErrorCode {
    const val UNKNOWN = 0
    const val KEY_EXPIRED = 2
    const val LICENSE_PARSE = 17
    const val LICENSE_RELEASE = 19
    const val LICENSE_REQUEST_REJECTED = 20
    const val LICENSE_RESTORE = 21
    val PROVISIONING = 24..28
    val BUSY = setOf(3, 29)
}
