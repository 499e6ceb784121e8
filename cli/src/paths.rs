//! Paths as people type them: relative to where the command runs, with `..` and a slash at the end. The core takes
//! absolute ones without either.

use std::path::{Component, Path, PathBuf};

use larder_core::error::Quoted;
use larder_core::{Code, Error, Result};

/// The absolute form of a path. It need not be there, but what comes before a `..` must.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    let no_path = |cause: std::io::Error| {
        let shown = path.to_string_lossy();
        Error::new(Code::InvalidArgument, format!("{} is not a path: {}", Quoted(&shown), cause.kind()))
            .caused_by(cause)
    };
    let absolute = std::path::absolute(path).map_err(no_path)?;
    // As the system resolves it, and not by striking out names: what comes before the `..` may be a link.
    let mut resolved = PathBuf::new();
    for component in absolute.components() {
        resolved.push(component);
        if component == Component::ParentDir {
            resolved = resolved.canonicalize().map_err(no_path)?;
        }
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_needs_not_be_there_and_loses_what_does_not_matter() {
        assert_eq!(absolute(Path::new("/no/such//film/./")).unwrap().to_str(), Some("/no/such/film"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(absolute(Path::new("film")).unwrap(), here.join("film"));
        assert_eq!(absolute(Path::new(".")).unwrap(), here);
    }

    #[test]
    fn the_way_up_is_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        assert_eq!(absolute(&root.join("a/b/../../film")).unwrap(), root.join("film"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.join("a/b"), root.join("link")).unwrap();
            assert_eq!(absolute(&root.join("link/../film")).unwrap(), root.join("a/film"));
        }
        for bad in [PathBuf::new(), root.join("nowhere/../film")] {
            assert_eq!(absolute(&bad).unwrap_err().code(), Code::InvalidArgument, "{bad:?}");
        }
    }
}
