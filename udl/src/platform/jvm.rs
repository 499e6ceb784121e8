//! Attaching threads to the JVM, where there is one: Android's, and a desktop's that has loaded us through JNA.
//!
//! A thread that calls into Kotlin without being attached costs 25 to 300 µs a call, because JNA attaches and detaches
//! it around each. Ours are attached once, as daemons (a JVM waits at its end for every thread that is not one), under
//! their own names, and detached when they end (Android aborts the process for a thread that forgets).
//!
//! `System.loadLibrary` tells us the JVM through `JNI_OnLoad`. JNA does not, so we also ask the process for it.

use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use jni::sys::{JNI_OK, JNI_VERSION_1_6, JavaVM, JavaVMAttachArgs, jint, jsize};

/// The process's JVM: there is at most one. Null while none was seen.
static JVM: AtomicPtr<JavaVM> = AtomicPtr::new(ptr::null_mut());

/// Called by `System.loadLibrary`.
///
/// # Safety
/// Only a JVM calls this, with a pointer to itself.
#[unsafe(no_mangle)]
pub(super) unsafe extern "system" fn JNI_OnLoad(vm: *mut JavaVM, _reserved: *mut c_void) -> jint {
    JVM.store(vm, Ordering::Release);
    JNI_VERSION_1_6
}

/// Attaches this thread as a daemon under its own name. Nothing happens without a JVM, or on an attached thread.
pub(super) fn attach_current_thread() {
    let Some(vm) = jvm() else { return };
    let name = std::thread::current().name().and_then(|name| CString::new(name).ok()).unwrap_or_default();
    let mut args =
        JavaVMAttachArgs { version: JNI_VERSION_1_6, name: name.as_ptr().cast_mut(), group: ptr::null_mut() };
    let mut env = ptr::null_mut();
    // SAFETY: `vm` is the process's JVM, which lives as long as the process; `args` and the name in it outlive the call,
    // which copies them.
    let attached = unsafe { ((**vm).v1_4.AttachCurrentThreadAsDaemon)(vm, &raw mut env, (&raw mut args).cast()) };
    if attached != JNI_OK {
        tracing::warn!(code = attached, "the JVM does not take one of Larder's threads; its callbacks will be slower");
    }
}

/// Detaches this thread. Nothing happens without a JVM, or on a thread that is not attached.
pub(super) fn detach_current_thread() {
    let Some(vm) = jvm() else { return };
    // SAFETY: as above; no frame of Java's is on the stack of a thread that is about to end.
    unsafe { ((**vm).v1_1.DetachCurrentThread)(vm) };
}

fn jvm() -> Option<*mut JavaVM> {
    let known = JVM.load(Ordering::Acquire);
    let vm = if known.is_null() { created_jvm() } else { known };
    (!vm.is_null()).then_some(vm)
}

/// The JVM that this process has made, by `JNI_GetCreatedJavaVMs`; null if there is none. Remembered once found.
fn created_jvm() -> *mut JavaVM {
    type GetCreated = unsafe extern "system" fn(*mut *mut JavaVM, jsize, *mut jsize) -> jint;
    let symbol = find_symbol();
    if symbol.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the symbol has this type by the JNI specification (The Invocation API).
    let get_created = unsafe { std::mem::transmute::<*mut c_void, GetCreated>(symbol) };
    let (mut vm, mut count) = (ptr::null_mut(), 0);
    // SAFETY: room for one pointer is given and said.
    let outcome = unsafe { get_created(&raw mut vm, 1, &raw mut count) };
    if outcome != JNI_OK || count < 1 {
        return ptr::null_mut();
    }
    JVM.store(vm, Ordering::Release);
    vm
}

/// Java's launcher opens libjvm for everybody to see; another host may not have, so it is asked for by name, without
/// loading it. Android has the symbol in libnativehelper from API 31 on; below that `JNI_OnLoad` tells.
fn find_symbol() -> *mut c_void {
    const SYMBOL: &std::ffi::CStr = c"JNI_GetCreatedJavaVMs";
    const LIBRARIES: [&std::ffi::CStr; 2] = [c"libjvm.so", c"libnativehelper.so"];
    // SAFETY: both are plain look-ups with NUL-terminated names.
    let visible = unsafe { libc::dlsym(libc::RTLD_DEFAULT, SYMBOL.as_ptr()) };
    if !visible.is_null() {
        return visible;
    }
    for library in LIBRARIES {
        // SAFETY: as above. `RTLD_NOLOAD` runs no initialiser; the reference that it takes is kept, for the JVM stays.
        let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        if !handle.is_null() {
            // SAFETY: as above, with a handle that is open.
            return unsafe { libc::dlsym(handle, SYMBOL.as_ptr()) };
        }
    }
    ptr::null_mut()
}
