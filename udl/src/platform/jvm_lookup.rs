//! `source_url` for Kotlin, by JNI: a player asks it at the start of every playback, on its main thread, and a call
//! through JNA costs thirty times as much.
//!
//! The counterpart is `dev.larder.internal.ffi.NativeLookup`. A failure here throws nothing that an app sees: the
//! counterpart then asks again through UniFFI, which has the typed error.

use std::ptr;

use jni::sys::{JNIEnv, jclass, jlong, jsize, jstring};

use crate::lookup;

/// Longer than any entry id or URL that is worth a copy on the stack.
const ON_THE_STACK: usize = 512;

/// `dev.larder.internal.ffi.NativeLookup.sourceUrl(long, String, String): String`
///
/// # Safety
/// Only a JVM calls this, with its own environment and live references.
#[unsafe(no_mangle)]
pub(super) unsafe extern "system" fn Java_dev_larder_internal_ffi_NativeLookup_sourceUrl(
    env: *mut JNIEnv,
    _class: jclass,
    lookup_id: jlong,
    entry_id: jstring,
    current_url: jstring,
) -> jstring {
    // SAFETY: both are live references of this call, or null.
    let (entry_id, current_url) = unsafe { (text(env, entry_id), text(env, current_url)) };
    let answer = match entry_id {
        Some(entry_id) => lookup::source_url(lookup_id, &entry_id, current_url.as_deref()),
        None => Ok(None),
    };
    match answer {
        Ok(None) => ptr::null_mut(),
        Ok(Some(url)) => {
            let units: Vec<u16> = url.encode_utf16().collect();
            let length = jsize::try_from(units.len()).unwrap_or(jsize::MAX);
            // SAFETY: as many units as said; null with an `OutOfMemoryError` pending if there is no room.
            unsafe { ((**env).v1_1.NewString)(env, units.as_ptr(), length) }
        }
        Err(_) => {
            // SAFETY: a class of the JVM's own and a message without a variable part; the exception is pending when
            // this returns null.
            unsafe {
                let class = ((**env).v1_1.FindClass)(env, c"java/lang/IllegalStateException".as_ptr());
                if !class.is_null() {
                    ((**env).v1_1.ThrowNew)(env, class, c"no answer".as_ptr());
                }
            }
            ptr::null_mut()
        }
    }
}

/// A Java string, `None` for null. Lone surrogates are replaced: no entry and no URL has one.
///
/// # Safety
/// `string` is null or a live reference in `env`.
unsafe fn text(env: *mut JNIEnv, string: jstring) -> Option<String> {
    if string.is_null() {
        return None;
    }
    // SAFETY: by the contract of this function.
    let length = unsafe { ((**env).v1_1.GetStringLength)(env, string) };
    let count = usize::try_from(length).unwrap_or(0);
    let mut small = [0_u16; ON_THE_STACK];
    let mut large = Vec::new();
    let units = match small.get_mut(..count) {
        Some(units) => units,
        None => {
            large.resize(count, 0_u16);
            large.as_mut_slice()
        }
    };
    // SAFETY: there is room for `count` units, which is the string's length.
    unsafe { ((**env).v1_2.GetStringRegion)(env, string, 0, length, units.as_mut_ptr()) };
    Some(String::from_utf16_lossy(units))
}
