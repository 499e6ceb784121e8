//! Two programs in one. Run by cargo it says where it lies; run with arguments it is UniFFI's generator.
//!
//! As a dependency of a build script the generator is the same crate, with the same features, as the one in the build
//! script of `larder-ffi`. It takes a minute and a half to compile, and so it is compiled once.

fn main() {
    if std::env::args_os().len() > 1 {
        uniffi::uniffi_bindgen_main();
    } else if let Ok(itself) = std::env::current_exe() {
        println!("cargo::rerun-if-changed=build.rs");
        println!("cargo::rustc-env=UNIFFI_BINDGEN={}", itself.display());
    }
}
