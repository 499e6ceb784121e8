//! DASH manifests (ISO/IEC 23009-1): an MPD's bytes to its Representations, how each is protected, and where its files
//! are. Pure.
//!
//! quick-xml reads it event by event into the four levels MPD, Period, AdaptationSet, Representation; what a level says
//! holds for those below, wherever among its children it stands. Names are compared without their namespace prefix.

mod addressing;
mod level;

use std::rc::Rc;

pub use addressing::Files;
pub use level::ContentProtection;
use level::Level;

use super::reference::{Place, public_name};
use super::text;
use crate::error::Result;
use crate::model::TrackKind;

/// A manifest, as far as protection goes.
#[derive(Clone, Debug, Default)]
pub struct Mpd {
    /// Descriptors at the top. The standard has none there; some packagers do.
    pub protection: Vec<ContentProtection>,
    /// The periods.
    pub periods: Vec<Period>,
    /// Names of references that stand for whole elements (`xlink:href`); they were not followed.
    pub linked: Vec<String>,
}

/// A part of the presentation's time.
#[derive(Clone, Debug, Default)]
pub struct Period {
    /// Descriptors at the period: as little standard as those at the top.
    pub protection: Vec<ContentProtection>,
    /// The adaptation sets.
    pub sets: Vec<AdaptationSet>,
}

/// Representations of the same content.
#[derive(Clone, Debug, Default)]
pub struct AdaptationSet {
    /// Descriptors that hold for all its Representations.
    pub protection: Vec<ContentProtection>,
    /// The Representations.
    pub representations: Vec<Representation>,
}

/// One track.
#[derive(Clone, Debug)]
pub struct Representation {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: TrackKind,
    /// Its MIME type, `video/mp4` for example; empty if the manifest does not say.
    pub mime: String,
    /// Descriptors of its own.
    pub protection: Vec<ContentProtection>,
    /// Where its files are.
    pub files: Files,
}

impl Representation {
    /// False for tracks that Common Encryption does not know: subtitles as text files, pictures.
    pub fn may_be_encrypted(&self) -> bool {
        !(self.mime.starts_with("text/") || self.mime.starts_with("image/") || self.mime == "application/ttml+xml")
    }
}

/// Reads a manifest, which lies at `place`.
///
/// Fails with [`Code::ManifestInvalid`](crate::Code::ManifestInvalid) if it is no MPD, is cut, malformed, in another
/// encoding, or has a DTD or entities, and with [`Code::ManifestTooLarge`](crate::Code::ManifestTooLarge) beyond the
/// [`limits`](super::limits).
pub fn read(bytes: &[u8], place: &Place) -> Result<Mpd> {
    let text = text::decode(bytes)?;
    let (root, linked) = level::read(&text)?;
    let mut mpd = Mpd { linked, ..Mpd::default() };
    let base = Base { place: place.clone(), name: Rc::from(""), has_url: false }.below(&root);
    let total_seconds = root.duration_seconds;
    // A period without a duration lasts until the next one starts, the last until the end.
    let starts: Vec<Option<f64>> = root.children.iter().skip(1).map(|period| period.start_seconds).collect();
    for (index, period) in root.children.into_iter().enumerate() {
        let start_seconds = period.start_seconds.unwrap_or(0.0);
        let end_seconds = starts.get(index).copied().flatten().or(total_seconds);
        let period_seconds =
            period.duration_seconds.or(end_seconds.map(|end_seconds| (end_seconds - start_seconds).max(0.0)));
        mpd.periods.push(read_period(period, &base, &root.addressing, period_seconds));
    }
    mpd.protection = root.protection;
    Ok(mpd)
}

fn read_period(period: Level, base: &Base, above: &addressing::Addressing, period_seconds: Option<f64>) -> Period {
    let base = base.below(&period);
    let addressing = period.addressing.inherit(above);
    let sets = period.children.into_iter().map(|set| read_set(set, &base, &addressing, period_seconds)).collect();
    Period { protection: period.protection, sets }
}

fn read_set(set: Level, base: &Base, above: &addressing::Addressing, period_seconds: Option<f64>) -> AdaptationSet {
    let base = base.below(&set);
    let addressing = set.addressing.inherit(above);
    let representations = set
        .children
        .into_iter()
        .map(|level| {
            let base = base.below(&level);
            let mime = level.mime.or_else(|| set.mime.clone()).unwrap_or_default().to_ascii_lowercase();
            let content_type = level.content_type.or_else(|| set.content_type.clone()).unwrap_or_default();
            let codecs = level.codecs.or_else(|| set.codecs.clone()).unwrap_or_default();
            let id = level.id.unwrap_or_default();
            let files = Files {
                base: base.place,
                base_name: base.name,
                has_base: base.has_url,
                addressing: level.addressing.inherit(&addressing),
                id: Rc::from(id.as_str()),
                bandwidth: Rc::from(level.bandwidth.unwrap_or_default()),
                period_seconds,
            };
            Representation { kind: kind(&content_type, &mime, &codecs), id, mime, protection: level.protection, files }
        })
        .collect();
    AdaptationSet { protection: set.protection, representations }
}

/// What a Representation is, by the first of contentType, MIME type and codecs that tells.
fn kind(content_type: &str, mime: &str, codecs: &str) -> TrackKind {
    for text in [content_type, mime] {
        match text.split('/').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "video" => return TrackKind::Video,
            "audio" => return TrackKind::Audio,
            "text" => return TrackKind::Text,
            _ => {}
        }
    }
    let is_text = mime == "application/ttml+xml" || codecs.starts_with("stpp") || codecs.starts_with("wvtt");
    if is_text { TrackKind::Text } else { TrackKind::Other }
}

/// What references are relative to (5.6).
#[derive(Clone)]
struct Base {
    place: Place,
    name: Rc<str>,
    has_url: bool,
}

impl Base {
    /// The base of a level below. Of alternatives the first that is not on a server is taken: the others are mirrors.
    fn below(&self, level: &Level) -> Self {
        let joined = level.base_urls.iter().map(|url| (url, self.place.join(url)));
        let chosen = joined.clone().find(|(_, place)| *place != Place::Remote).or_else(|| joined.clone().next());
        match chosen {
            Some((url, place)) => Self { place, name: Rc::from(public_name(url)), has_url: true },
            None => self.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
