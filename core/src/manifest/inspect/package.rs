//! A download of AVFoundation (`.movpkg`).

use std::path::Path;

use super::scan::Scanner;
use crate::error::Result;
use crate::manifest::local::Folder;
use crate::manifest::protection::Protection;

pub(super) fn inspect(package: &Path) -> Result<Protection> {
    let mut scanner = Scanner::new(Folder::at(package)?);
    super::hls::Title::new(&mut scanner).finish()
}
