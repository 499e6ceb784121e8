//! Turns `src/larder.udl` into the scaffolding that `lib.rs` includes.

fn main() {
    if let Err(error) = uniffi::generate_scaffolding("src/larder.udl") {
        // cargo shows this and stops; the message names the line of the UDL.
        println!("cargo::error={error:#}");
    }
}
