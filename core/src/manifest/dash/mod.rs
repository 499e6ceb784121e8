//! DASH manifests (ISO/IEC 23009-1): an MPD to a [`Presentation`]. Pure.
//!
//! quick-xml reads the document event by event into the four levels MPD, Period, AdaptationSet and Representation. The
//! attributes and elements of a level hold for the levels below, in any order among its children; inheritance is done once,
//! here. Names are compared without their namespace prefix.
//!
//! | file | what |
//! |---|---|
//! | `level` | XML events to levels: what each says by itself |
//! | `descriptor` | [`ContentProtection`] |
//! | `addressing` | [`SegmentAddressing`]: template, list or base to init segment and segments |
//! | `time` | durations of XML Schema |

mod addressing;
mod descriptor;
mod level;
mod time;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::addressing::Declared;
pub use self::addressing::SegmentAddressing;
pub use self::descriptor::ContentProtection;
use self::level::Level;
use super::presentation::{
    BaseChain, MediaTime, Period, Presentation, Property, PropertyKind, Track, TrackMedia, TrackSet,
};
use super::text;
use crate::error::Result;
use crate::model::{MediaFormat, TrackKind};

/// Reads an MPD.
///
/// Fails with [`Code::ManifestInvalid`](crate::Code::ManifestInvalid) if the bytes are not an MPD, are cut or malformed, are
/// in another encoding, or have a DTD or entities, and with
/// [`Code::ManifestTooLarge`](crate::Code::ManifestTooLarge) beyond the [`limits`](super::limits).
pub fn read(bytes: &[u8]) -> Result<Presentation> {
    let text = text::decode(bytes)?;
    let (mut root, linked) = level::read(&text)?;
    let bases = BaseChain::default().with(std::mem::take(&mut root.base_urls));
    let duration = root.duration;
    let times = period_times(&root);
    let declared = std::mem::take(&mut root.declared);
    let periods = std::mem::take(&mut root.children).into_iter().zip(times);
    let periods = periods.map(|(period, times)| read_period(period, &bases, &declared, times)).collect();
    Ok(Presentation {
        format: MediaFormat::Dash,
        is_live: root.is_dynamic,
        duration,
        session_keys: Vec::new(),
        protection: root.protection,
        periods,
        linked,
    })
}

/// Start and duration of a period.
#[derive(Clone, Copy)]
struct PeriodTimes {
    start: Option<MediaTime>,
    duration: Option<MediaTime>,
}

/// Completes the times of periods (5.3.2.1): a period starts where the one before it ends, and lasts until the next one
/// starts or the presentation ends.
fn period_times(root: &Level) -> Vec<PeriodTimes> {
    let mut end_before = Some(time::ZERO);
    let starts: Vec<Option<MediaTime>> = root
        .children
        .iter()
        .map(|period| {
            let start = period.start.or(end_before);
            end_before = time::sum(start, period.duration);
            start
        })
        .collect();
    let next_starts = starts.iter().skip(1).copied().chain(std::iter::once(root.duration));
    let times = root.children.iter().zip(&starts).zip(next_starts);
    times
        .map(|((period, start), next_start)| {
            let until_next = time::difference(next_start, *start);
            PeriodTimes { start: *start, duration: period.duration.or(until_next) }
        })
        .collect()
}

fn read_period(mut period: Level, bases: &BaseChain, above: &Declared, times: PeriodTimes) -> Period {
    let bases = bases.with(std::mem::take(&mut period.base_urls));
    let declared = std::mem::take(&mut period.declared).inherit(above);
    let sets =
        std::mem::take(&mut period.children).into_iter().map(|set| read_set(set, &bases, &declared, times)).collect();
    Period {
        id: period.id,
        start: times.start,
        duration: times.duration,
        protection: period.protection,
        sets,
        span: period.span,
    }
}

fn read_set(mut set: Level, bases: &BaseChain, above: &Declared, times: PeriodTimes) -> TrackSet {
    let bases = bases.with(std::mem::take(&mut set.base_urls));
    let declared = std::mem::take(&mut set.declared).inherit(above);
    let tracks = std::mem::take(&mut set.children);
    let roles = roles_of(&set.properties).collect();
    let is_trick_play = is_trick_play(&set.properties);
    let tracks = tracks
        .into_iter()
        .map(|level| read_track(level, &set, (&roles, is_trick_play), &bases, &declared, times))
        .collect();
    TrackSet {
        id: set.id,
        protection: set.protection,
        labels: set.labels,
        properties: set.properties,
        tracks,
        span: set.span,
    }
}

fn roles_of(properties: &[Property]) -> impl Iterator<Item = &str> {
    properties.iter().filter(|property| property.kind == PropertyKind::Role).map(|property| &*property.value)
}

/// Returns true for tracks that only serve seeking (DASH-IF IOP, 3.2.9).
fn is_trick_play(properties: &[Property]) -> bool {
    properties.iter().any(|property| property.scheme.ends_with("dashif.org/guidelines/trickmode"))
}

fn read_track(
    mut level: Level,
    set: &Level,
    (roles, above_is_trick_play): (&BTreeSet<&str>, bool),
    bases: &BaseChain,
    above: &Declared,
    times: PeriodTimes,
) -> Track {
    let bases = bases.with(std::mem::take(&mut level.base_urls));
    let mime = level.mime.or_else(|| set.mime.clone()).unwrap_or_default();
    let content_type = level.content_type.or_else(|| set.content_type.clone());
    let codecs = level.codecs.or_else(|| set.codecs.clone());
    let id = level.id.unwrap_or_default();
    let kind = kind(content_type.as_deref().unwrap_or_default(), &mime, codecs.as_deref().unwrap_or_default());
    let has_role = |value: &str| roles.contains(value) || roles_of(&level.properties).any(|role| role == value);
    let media = SegmentAddressing {
        bases,
        declared: level.declared.inherit(above),
        id: Arc::clone(&id),
        bandwidth: level.bandwidth.clone().unwrap_or_default(),
        period_duration: times.duration,
    };
    Track {
        kind,
        language: level.language.or_else(|| set.language.clone()),
        labels: level.labels,
        bandwidth: level.bandwidth.and_then(|bandwidth| bandwidth.trim().parse().ok()),
        codecs,
        mime,
        content_type,
        resolution: level.width.or(set.width).zip(level.height.or(set.height)),
        frame_rate: level.frame_rate.or_else(|| set.frame_rate.clone()),
        channels: level.channels.or_else(|| set.channels.clone()),
        depends_on: level.depends_on,
        is_default: has_role("main"),
        is_forced: has_role("forced-subtitle") || has_role("forced_subtitle"),
        is_trick_play: above_is_trick_play || is_trick_play(&level.properties),
        properties: level.properties,
        protection: level.protection,
        media: TrackMedia::Segments(Box::new(media)),
        span: level.span,
        id,
        ..Track::default()
    }
}

/// Returns the kind of a Representation, by the first of contentType, MIME type and codecs that tells.
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

#[cfg(test)]
mod tests;
