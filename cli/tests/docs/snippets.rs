//! The code in the documentation is code that runs somewhere: each block stands in a test of its language.

/// Returns the content of a code fence, without its import lines.
fn code(page: &str, fence: &str) -> String {
    let text = super::read(page);
    let block = text.split_once(&format!("```{fence}\n")).unwrap_or_else(|| panic!("{page} has no {fence}")).1;
    let block = block.split("```").next().unwrap();
    let lines = block.lines().skip_while(|line| line.starts_with("import ") || line.is_empty());
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[track_caller]
fn assert_runs_in(page: &str, fence: &str, test: &str) {
    let code = code(page, fence);
    assert!(code.lines().count() >= 9, "{code}");
    assert!(super::read(test).contains(&code), "{test} does not run the {fence} of {page}:\n{code}");
}

#[test]
fn the_swift_of_the_readme_is_that_of_a_swift_test() {
    assert_runs_in("README.md", "swift", "bindings-ios/Tests/LarderTests/Manager/ReadmeTests.swift");
}

#[test]
fn the_kotlin_of_the_readme_is_that_of_a_kotlin_test() {
    assert_runs_in("README.md", "kotlin", "bindings-android/sdk/src/test/kotlin/dev/larder/ReadmeTest.kt");
}

#[test]
fn the_rust_of_the_plug_in_guide_is_that_of_a_rust_test() {
    assert_runs_in("docs/guides/plug-ins.md", "rust storage", "cli/tests/command/memory_storage.rs");
}
