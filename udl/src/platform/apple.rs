//! The id of this boot, on Apple's systems.

use std::ffi::CStr;
use std::ptr;

/// `kern.bootsessionuuid`: a UUID made at each boot. Not `kern.boottime`, which moves when the clock is set.
pub(super) fn boot_id() -> Option<String> {
    let mut text = [0_u8; 64];
    let mut length = text.len();
    // SAFETY: the name is NUL-terminated; at most `length` bytes are written to `text`, and `length` is set to how many.
    let outcome = unsafe {
        libc::sysctlbyname(
            c"kern.bootsessionuuid".as_ptr(),
            text.as_mut_ptr().cast(),
            &raw mut length,
            ptr::null_mut(),
            0,
        )
    };
    if outcome != 0 {
        return None;
    }
    CStr::from_bytes_until_nul(text.get(..length)?).ok()?.to_str().ok().map(str::to_owned)
}
