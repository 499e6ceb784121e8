//! Media paths. They are stored relative to a named root, because an app's container moves with an update.

use std::path::{Component, Path, PathBuf};

use crate::error::{Code, Error, Quoted, Result};
use crate::model::StorageRoot;
use crate::store::StoredPath;

const MAX_PATH_BYTES: usize = 4096;

/// Checks that a path of the app is absolute, UTF-8, and without NUL and `..`.
///
/// Fails with `RelativePath` or `InvalidArgument`.
pub(crate) fn check(path: &Path) -> Result<&str> {
    let invalid = |message: &'static str| Err(Error::new(Code::InvalidArgument, message));
    let Some(text) = path.to_str() else { return invalid("the path is not UTF-8") };
    if text.is_empty() {
        return invalid("the path is empty");
    }
    if text.len() > MAX_PATH_BYTES || text.contains('\0') {
        return invalid("the path is longer than 4096 bytes or has a NUL character");
    }
    if !path.is_absolute() {
        return Err(Error::new(
            Code::RelativePath,
            format!("the path {} is relative; give an absolute one", Quoted(text)),
        ));
    }
    if path.components().any(|component| component == Component::ParentDir) {
        return invalid("the path has a '..' component; give the resolved path");
    }
    Ok(text)
}

/// Checks that the roots have short, distinct names and absolute paths.
pub(crate) fn check_roots(roots: &[StorageRoot]) -> Result<()> {
    for (index, root) in roots.iter().enumerate() {
        check(&root.path)?;
        if root.name.is_empty() || root.name.len() > 64 {
            return Err(Error::new(Code::InvalidArgument, "the name of a root is empty or longer than 64 bytes"));
        }
        if roots.iter().take(index).any(|other| other.name == root.name) {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("two roots have the name {}; names must differ", Quoted(&root.name)),
            ));
        }
    }
    Ok(())
}

/// Returns a path in its stored form: relative to the root with the longest matching path, or absolute without one.
pub(crate) fn to_stored(path: &Path, manifest: Option<&Path>, roots: &[StorageRoot]) -> Result<StoredPath> {
    check(path)?;
    // Normalizes the spelling: `/films/a/` and `/films//a` become `/films/a`.
    let path: PathBuf = path.components().collect();
    let path = path.as_path();
    let below = roots
        .iter()
        .filter_map(|root| Some((root, below(path, &root.path)?)))
        .max_by_key(|(root, _)| root.path.as_os_str().len());
    let manifest = manifest.map(utf8).transpose()?;
    Ok(match below {
        Some((root, relative)) => StoredPath { root: Some(root.name.clone()), path: utf8(&relative)?, manifest },
        None => StoredPath { root: None, path: utf8(path)?, manifest },
    })
}

/// Returns the path relative to a root: as written, or after resolving both (`/var` is a link to `/private/var` on
/// iOS).
fn below(path: &Path, root: &Path) -> Option<PathBuf> {
    if let Ok(relative) = path.strip_prefix(root) {
        return Some(relative.to_owned());
    }
    let (path, root) = (path.canonicalize().ok()?, root.canonicalize().ok()?);
    path.strip_prefix(root).ok().map(Path::to_owned)
}

fn utf8(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| Error::new(Code::InvalidArgument, "the path is not UTF-8"))
}

/// Returns the absolute path of a stored one in this run; `None` if its root was not given.
pub(crate) fn registered_path(stored: &StoredPath, roots: &[StorageRoot]) -> Option<PathBuf> {
    match &stored.root {
        None => Some(PathBuf::from(&stored.path)),
        // An empty relative path means the root itself; joining it would add a slash.
        Some(name) => roots
            .iter()
            .find(|root| root.name == *name)
            .map(|root| if stored.path.is_empty() { root.path.clone() } else { root.path.join(&stored.path) }),
    }
}

/// Returns the path that a player opens: the manifest or media file.
pub(crate) fn playable_path(stored: &StoredPath, roots: &[StorageRoot]) -> Option<PathBuf> {
    registered_path(stored, roots).map(|path| with_manifest(path, stored))
}

/// Returns the manifest or media file at a registered path.
pub(crate) fn with_manifest(path: PathBuf, stored: &StoredPath) -> PathBuf {
    match &stored.manifest {
        Some(manifest) => path.join(manifest),
        None => path,
    }
}

/// Returns the `file:` URL of an absolute path.
pub(crate) fn file_url(path: &Path) -> Result<String> {
    url::Url::from_file_path(path)
        .map(String::from)
        .map_err(|()| Error::new(Code::RelativePath, "the path is not absolute"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(name: &str, path: &str) -> StorageRoot {
        StorageRoot { name: name.into(), path: path.into() }
    }

    #[test]
    fn a_path_below_a_root_follows_the_root_when_the_container_moves() {
        let stored = to_stored(
            Path::new("/data/a/downloads/film"),
            Some(Path::new("m.mpd")),
            &[root("downloads", "/data/a/downloads")],
        );
        let stored = stored.unwrap();
        assert_eq!((stored.root.as_deref(), stored.path.as_str()), (Some("downloads"), "film"));
        let moved = [root("downloads", "/data/b/x")];
        assert_eq!(playable_path(&stored, &moved).unwrap(), Path::new("/data/b/x/film/m.mpd"));
    }

    #[test]
    fn the_innermost_root_is_used_and_a_path_outside_every_root_stays_absolute() {
        let roots = [root("all", "/data"), root("films", "/data/films")];
        assert_eq!(to_stored(Path::new("/data/films/a"), None, &roots).unwrap().root.as_deref(), Some("films"));
        assert_eq!(to_stored(Path::new("/database/a"), None, &roots).unwrap().root, None);
        assert_eq!(to_stored(Path::new("/data"), None, &roots).unwrap().path, "");
        for path in ["/data/films/a/", "/data//films/a", "/data/./films/a/."] {
            assert_eq!(to_stored(Path::new(path), None, &roots).unwrap().path, "a", "{path}");
            assert_eq!(to_stored(Path::new(path), None, &[]).unwrap().path, "/data/films/a", "{path}");
        }
        assert_eq!(
            registered_path(&to_stored(Path::new("/data"), None, &roots).unwrap(), &roots).unwrap(),
            Path::new("/data")
        );
    }

    #[test]
    fn a_relative_empty_or_malformed_path_is_rejected() {
        for (path, code) in [
            ("", Code::InvalidArgument),
            ("films/a", Code::RelativePath),
            ("/films/../etc/passwd", Code::InvalidArgument),
            ("/a\0b", Code::InvalidArgument),
        ] {
            assert_eq!(check(Path::new(path)).unwrap_err().code(), code, "{path:?}");
        }
        assert_eq!(check(Path::new(&format!("/{}", "x".repeat(5000)))).unwrap_err().code(), Code::InvalidArgument);
    }

    #[test]
    fn a_file_url_is_escaped() {
        assert_eq!(file_url(Path::new("/a b/ü#?.mpd")).unwrap(), "file:///a%20b/%C3%BC%23%3F.mpd");
    }
}
