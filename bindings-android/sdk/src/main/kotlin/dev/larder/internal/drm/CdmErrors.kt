package dev.larder.internal.drm

import android.media.DeniedByServerException
import android.media.MediaDrm
import android.media.NotProvisionedException
import android.media.ResourceBusyException
import android.media.UnsupportedSchemeException
import android.os.Build
import dev.larder.LarderException
import dev.larder.Remedy

/** The device has no certificate. A caller with an exchange can provision it. */
internal class DeviceNotProvisioned : RuntimeException()

/** The CDM cannot process a release for this license. The license can only be removed. */
internal class ReleaseImpossible : RuntimeException()

/** The step at which a CDM failed. Part of the message, and the code depends on it. */
internal enum class CdmStep(val words: String) {
    OPENING("open a session"),
    PROVISIONING("provision the device"),
    CHALLENGE("make the license request"),
    LICENSE("process the license"),
    RESTORING("restore the license"),
    QUERY("query the license"),
    RELEASING("release the license"),
    LISTING("list its licenses"),
}

/** Calls the CDM. Converts its exceptions into [LarderException], [DeviceNotProvisioned] or [ReleaseImpossible]. */
internal inline fun <T> cdmCall(step: CdmStep, call: () -> T): T = try {
    call()
} catch (e: Throwable) {
    throw e.fromCdm(step)
}

internal fun Throwable.fromCdm(step: CdmStep): Throwable = when {
    isNotProvisioned(this) -> DeviceNotProvisioned()

    step == CdmStep.RELEASING && cdmErrorCode(this) == ErrorCode.LICENSE_RELEASE -> ReleaseImpossible()

    // An error of the virtual machine, not of the CDM.
    this is VirtualMachineError || this is InterruptedException -> this

    else -> LarderException(codeOf(this, step), "the CDM failed to ${step.words} (${describe(this)})")
}

private fun codeOf(error: Throwable, step: CdmStep): String = when {
    isBusy(error) -> LarderException.Code.CDM_BUSY

    error is UnsupportedSchemeException -> LarderException.Code.DRM_UNSUPPORTED

    // The framework throws it for a revoked device, too. Only the text tells the difference.
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

        // BAD_VALUE. Of all arguments of a call, only the server's response comes from outside.
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
    isMissingConstructorOf(error, "ResourceBusyException")

private fun isNotProvisioned(error: Throwable): Boolean =
    error is NotProvisionedException || isMissingConstructorOf(error, "NotProvisionedException")

/** Some devices with API 34 call a constructor that this exception no longer has (androidx/media, b/291440132). */
private fun isMissingConstructorOf(error: Throwable, exception: String): Boolean =
    error is NoSuchMethodError && error.message.orEmpty().contains("Landroid/media/$exception;.<init>(")

@Suppress("DEPRECATION") // API 31 replaces it
private fun isContention(error: Throwable): Boolean =
    Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q &&
        error is MediaDrm.SessionException &&
        error.errorCode == MediaDrm.SessionException.ERROR_RESOURCE_CONTENTION

/** Returns one of [ErrorCode]. Known from API 31 on. */
private fun cdmErrorCode(error: Throwable): Int =
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S && error is MediaDrm.MediaDrmStateException) {
        error.errorCode
    } else {
        ErrorCode.UNKNOWN
    }

/** Returns the class and the framework's diagnostic info. Leaves the text out: vendors put anything there. */
private fun describe(error: Throwable): String {
    val code = cdmErrorCode(error).takeIf { it != ErrorCode.UNKNOWN }?.let { ", error $it" }.orEmpty()
    val info = (error as? MediaDrm.MediaDrmStateException)?.diagnosticInfo.orEmpty()
    val diagnostic = if (diagnosticInfo.matches(info)) ", $info" else ""
    return error.javaClass.simpleName + code + diagnostic
}

private val diagnosticInfo = Regex("android\\.media\\.MediaDrm\\.error_(neg_)?[0-9]{1,10}")

/** The values of `MediaDrm.ErrorCodes`, a class that is newer than the errors with these values. */
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
