//! DASH manifests (ISO/IEC 23009-1): an MPD's bytes to the media model. Pure.
//!
//! quick-xml reads the MPD event by event into its four levels: MPD, Period, AdaptationSet, Representation. A level inherits
//! from the levels above, wherever among its children a statement stands. Names are compared without their namespace prefix.
//!
//! | file | what |
//! |---|---|
//! | `level` | XML to levels: what each level says by itself |
//! | `addressing` | init segment and segments of a Representation: templates, lists, single files |

mod addressing;
mod level;

use std::rc::Rc;

pub use addressing::Files;
use addressing::{Addressing, BaseUrls};
pub use level::ContentProtection;
use level::Level;

use super::presentation::{Period, Presentation, Track, TrackMedia, TrackSet};
use super::text;
use crate::error::Result;
use crate::model::TrackKind;

/// Reads a manifest.
///
/// Fails with [`Code::ManifestInvalid`](crate::Code::ManifestInvalid) if the bytes are no MPD, are cut, malformed, in another
/// encoding, or have a DTD or entities, and with [`Code::ManifestTooLarge`](crate::Code::ManifestTooLarge) beyond the
/// [`limits`](super::limits).
pub fn read(bytes: &[u8]) -> Result<Presentation> {
    let text = text::decode(bytes)?;
    let (root, linked) = level::read(&text)?;
    let base = below(None, &root);
    // A period without a duration lasts until the next one starts, the last until the end.
    let starts: Vec<Option<f64>> = root.children.iter().skip(1).map(|period| period.start_seconds).collect();
    let total_seconds = root.duration_seconds;
    let mut periods = Vec::with_capacity(root.children.len());
    for (index, period) in root.children.into_iter().enumerate() {
        let start_seconds = period.start_seconds.unwrap_or(0.0);
        let end_seconds = starts.get(index).copied().flatten().or(total_seconds);
        let until_end = end_seconds.map(|end_seconds| (end_seconds - start_seconds).max(0.0));
        let period_seconds = period.duration_seconds.or(until_end);
        periods.push(read_period(period, base.as_ref(), &root.addressing, period_seconds));
    }
    Ok(Presentation { is_live: root.is_live, periods, protection: root.protection, linked, ..Presentation::default() })
}

fn read_period(period: Level, base: Option<&Rc<BaseUrls>>, above: &Addressing, period_seconds: Option<f64>) -> Period {
    let base = below(base, &period);
    let addressing = period.addressing.inherit(above);
    let sets =
        period.children.into_iter().map(|set| read_set(set, base.as_ref(), &addressing, period_seconds)).collect();
    Period { id: period.id, protection: period.protection, sets }
}

fn read_set(set: Level, base: Option<&Rc<BaseUrls>>, above: &Addressing, period_seconds: Option<f64>) -> TrackSet {
    let base = below(base, &set);
    let addressing = set.addressing.inherit(above);
    let own = |level: Level| -> Track {
        let base = below(base.as_ref(), &level);
        let mime = level.mime.or_else(|| set.mime.clone()).unwrap_or_default().to_ascii_lowercase();
        let content_type = level.content_type.or_else(|| set.content_type.clone()).unwrap_or_default();
        let codecs = level.codecs.or_else(|| set.codecs.clone());
        let id = level.id.unwrap_or_default();
        let files = Files {
            base,
            addressing: level.addressing.inherit(&addressing),
            id: Rc::from(id.as_str()),
            bandwidth: Rc::from(level.bandwidth.as_deref().unwrap_or_default()),
            period_seconds,
        };
        Track {
            kind: kind(&content_type, &mime, codecs.as_deref().unwrap_or_default()),
            id,
            language: level.language.or_else(|| set.language.clone()),
            label: level.label.or_else(|| set.label.clone()),
            roles: if level.roles.is_empty() { set.roles.clone() } else { level.roles },
            bandwidth: level.bandwidth.and_then(|bandwidth| bandwidth.trim().parse().ok()),
            codecs,
            mime,
            resolution: level.width.or(set.width).zip(level.height.or(set.height)),
            frame_rate: level.frame_rate.or_else(|| set.frame_rate.clone()),
            channels: level.channels.or_else(|| set.channels.clone()),
            is_default: set.roles.iter().any(|role| role == "main"),
            is_forced: set.roles.iter().any(|role| role == "forced-subtitle" || role == "forced_subtitle"),
            is_trick_play: set.is_trick_play || level.is_trick_play,
            protection: level.protection,
            media: TrackMedia::Segments(files),
            ..Track::default()
        }
    };
    let tracks = set.children.into_iter().map(own).collect();
    TrackSet { id: set.id, protection: set.protection, tracks }
}

/// Returns the kind of a track, by the first of contentType, MIME type and codecs that tells.
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

/// Returns the base of everything below a level (5.6).
fn below(above: Option<&Rc<BaseUrls>>, level: &Level) -> Option<Rc<BaseUrls>> {
    if level.base_urls.is_empty() {
        return above.cloned();
    }
    Some(Rc::new(BaseUrls { above: above.cloned(), urls: level.base_urls.clone() }))
}

#[cfg(test)]
mod tests;
