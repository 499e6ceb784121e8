//! SOURCE.json: a media source as people and backends write it. The format is documented in `docs/guides/command.md`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use larder_core::error::Quoted;
use larder_core::model::{DrmParams, DrmScheme, LicenseWire, MediaFormat, MediaSource, RenewalPolicy, SecurityLevel};
use larder_core::{Code, Error, Result};
use serde::Deserialize;

/// No real source or metadata is longer; the core has the same limit for metadata.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    #[serde(default)]
    id: String,
    #[serde(default)]
    url: String,
    format: Option<String>,
    #[serde(default)]
    drm: Vec<DrmFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DrmFile {
    scheme: String,
    license_url: String,
    /// DER in base64.
    certificate: Option<String>,
    certificate_url: Option<String>,
    wire: Option<String>,
    renewal: Option<String>,
    security_level: Option<String>,
}

/// Reads a media source. `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<MediaSource> {
    parse(&read_file("the source", path)?)
}

/// Reads a small file whole. `-` is standard input.
pub(crate) fn read_file(what: &'static str, path: &Path) -> Result<Vec<u8>> {
    let cannot = |cause: io::Error| {
        let shown = path.to_string_lossy();
        Error::new(Code::InvalidArgument, format!("{what} {} cannot be read: {}", Quoted(&shown), cause.kind()))
            .caused_by(cause)
    };
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin().lock().take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    } else {
        File::open(path).map_err(cannot)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::new(Code::InvalidArgument, format!("{what} has more than 1 MiB")));
    }
    Ok(bytes)
}

fn parse(json: &[u8]) -> Result<MediaSource> {
    let file: SourceFile = serde_json::from_slice(json).map_err(|cause| {
        let at = format!("line {}, column {}", cause.line(), cause.column());
        Error::new(Code::InvalidArgument, format!("the source is not as documented at {at}: {}", reason(&cause)))
            .caused_by(cause)
    })?;
    let drm = file.drm.into_iter().map(drm_params).collect::<Result<_>>()?;
    let format = file.format.map(|name| named("format", &name, MediaFormat::parse, "dash, hls, mp4")).transpose()?;
    Ok(MediaSource { id: file.id, url: file.url, format, drm })
}

/// The parser's own words quote values, which may be signed URLs; field names are safe to repeat.
fn reason(cause: &serde_json::Error) -> String {
    let words = cause.to_string();
    let is_about_a_name =
        ["missing field", "duplicate field", "unknown field"].iter().any(|start| words.starts_with(start));
    if cause.is_data() && !is_about_a_name {
        return "a value of the wrong type".to_owned();
    }
    if cause.is_data() { words.chars().take(80).filter(|c| !c.is_control()).collect() } else { "not JSON".to_owned() }
}

fn drm_params(file: DrmFile) -> Result<DrmParams> {
    let scheme = named("scheme", &file.scheme, DrmScheme::parse, "widevine, playready, fairplay, clearkey")?;
    let mut params = DrmParams::new(scheme, file.license_url);
    params.certificate_url = file.certificate_url;
    if let Some(text) = file.certificate {
        let der = base64::engine::general_purpose::STANDARD.decode(text.trim());
        params.certificate = Some(
            der.map_err(|cause| Error::new(Code::InvalidArgument, "`certificate` is not base64").caused_by(cause))?,
        );
    }
    if let Some(name) = file.wire {
        params.wire = named("wire", &name, wire, "standard, raw, base64, form, udrm")?;
    }
    if let Some(name) = file.renewal {
        params.renewal = named("renewal", &name, renewal, "acquire-then-release, in-place, release-then-acquire")?;
    }
    if let Some(name) = file.security_level {
        params.security_level = named("security_level", &name, security_level, "default, l3")?;
    }
    Ok(params)
}

fn named<T>(field: &str, name: &str, parse: impl Fn(&str) -> Option<T>, allowed: &str) -> Result<T> {
    parse(name)
        .ok_or_else(|| Error::new(Code::InvalidArgument, format!("`{field}` of the source is none of {allowed}")))
}

fn wire(name: &str) -> Option<LicenseWire> {
    Some(match name {
        "standard" => LicenseWire::Standard,
        "raw" => LicenseWire::Raw,
        "base64" => LicenseWire::Base64,
        "form" => LicenseWire::Form,
        "udrm" => LicenseWire::Udrm,
        _ => return None,
    })
}

fn renewal(name: &str) -> Option<RenewalPolicy> {
    Some(match name {
        "acquire-then-release" => RenewalPolicy::AcquireThenRelease,
        "in-place" => RenewalPolicy::InPlace,
        "release-then-acquire" => RenewalPolicy::ReleaseThenAcquire,
        _ => return None,
    })
}

fn security_level(name: &str) -> Option<SecurityLevel> {
    Some(match name {
        "default" => SecurityLevel::Default,
        "l3" => SecurityLevel::L3,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_every_field_that_is_documented() {
        let source = parse(
            br#"{"id": "main", "url": "https://cdn.example/film.mpd", "format": "dash", "drm": [{
                "scheme": "fairplay", "license_url": "https://license.example/fps", "certificate": "AAEC",
                "certificate_url": "https://license.example/cert", "wire": "form", "renewal": "in-place",
                "security_level": "l3"}]}"#,
        )
        .unwrap();
        let [drm] = source.drm.as_slice() else { panic!("one key system, not {}", source.drm.len()) };
        assert_eq!((source.id.as_str(), source.format), ("main", Some(MediaFormat::Dash)));
        assert_eq!(
            (drm.scheme, drm.wire, drm.renewal),
            (DrmScheme::FairPlay, LicenseWire::Form, RenewalPolicy::InPlace)
        );
        assert_eq!(drm.certificate.as_deref(), Some(&[0, 1, 2][..]));
        assert_eq!(drm.security_level, SecurityLevel::L3);
    }

    #[test]
    fn an_empty_source_is_that_of_clear_media() {
        let source = parse(b"{}").unwrap();
        assert_eq!(source, MediaSource::default());
    }

    #[test]
    fn what_is_not_a_source_is_refused_without_repeating_its_values() {
        for bad in [
            "",
            "[]",
            "{",
            r#"{"drm": "https://host/?token=SECRET"}"#,
            r#"{"url": {"SECRET": 1}, "id": 5}"#,
            r#"{"drm": [{"scheme": "SECRET", "license_uri": "x"}]}"#,
            r#"{"drm": [{"scheme": "clearkey"}]}"#,
            r#"{"drm": [{"scheme": "clearkey", "license_uri": "x", "certificate": "SECRET!"}]}"#,
            r#"{"license_uri": "x"}"#,
        ] {
            let error = parse(bad.as_bytes()).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{bad}");
            assert!(!error.message().contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let error = parse(br#"{"license_uri": "x"}"#).unwrap_err();
        assert!(error.message().contains("license_uri"), "{error}");
    }
}
