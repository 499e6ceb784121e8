//! A multivariant playlist: variants, renditions, session keys (RFC 8216, 4.3.4).

use super::KeyTags;
use super::attributes::{Attribute, attributes};
use super::lines::{Line, Variables, define, expand, lines};
use crate::error::{Code, Error, Result};
use crate::manifest::limits::MAX_PLAYLIST_LINES;
use crate::manifest::presentation::{Period, Presentation, Track, TrackMedia, TrackSet};
use crate::model::TrackKind;

/// Returns true for tags that only a multivariant playlist may have.
pub(super) fn is_own_tag(name: &str) -> bool {
    matches!(name, "-X-STREAM-INF" | "-X-I-FRAME-STREAM-INF" | "-X-MEDIA" | "-X-SESSION-DATA")
}

pub(super) fn read(text: &str, imported: &Variables) -> Result<Presentation> {
    let mut presentation = Presentation::default();
    let mut tracks = Vec::new();
    let mut key_tags = KeyTags::default();
    // The variant whose reference is on the next line.
    let mut variant = None;
    for (_, line) in lines(text) {
        let variables = &presentation.variables;
        match line {
            Line::Reference(reference) => {
                let Some(track) = variant.take() else { continue };
                let reference = expand(reference, variables)?.into_owned();
                tracks.push(Track { media: TrackMedia::Playlist(reference), ..track });
            }
            Line::Tag { name: "-X-STREAM-INF", list } => variant = Some(variant_of(&expand(list, variables)?)),
            Line::Tag { name: "-X-I-FRAME-STREAM-INF", list } => {
                tracks.extend(i_frames_of(&expand(list, variables)?));
            }
            Line::Tag { name: "-X-MEDIA", list } => match rendition_of(&expand(list, variables)?) {
                Some(track) => tracks.push(track),
                None => _ = presentation.malformed_tags.insert("EXT-X-MEDIA"),
            },
            Line::Tag { name: "-X-SESSION-KEY" | "-X-KEY", list } => match key_tags.read(&expand(list, variables)?)? {
                Some(key) => presentation.session_keys.push(key),
                None => _ = presentation.malformed_tags.insert("EXT-X-SESSION-KEY"),
            },
            Line::Tag { name: "-X-DEFINE", list } => {
                if !define(&mut presentation.variables, list, imported) {
                    presentation.malformed_tags.insert("EXT-X-DEFINE");
                }
            }
            Line::Tag { .. } => {}
        }
        if tracks.len() > MAX_PLAYLIST_LINES {
            let message = format!("the playlist has more than {MAX_PLAYLIST_LINES} variants and renditions");
            return Err(Error::new(Code::ManifestTooLarge, message));
        }
    }
    presentation.periods = vec![Period { sets: vec![TrackSet { tracks, ..TrackSet::default() }], ..Period::default() }];
    Ok(presentation)
}

fn variant_of(list: &str) -> Track {
    let mut track = Track { kind: TrackKind::Video, ..Track::default() };
    for attribute in attributes(list) {
        match attribute.name {
            "AUDIO" => track.plays_with.audio = text(attribute),
            "SUBTITLES" => track.plays_with.subtitles = text(attribute),
            "CLOSED-CAPTIONS" => track.plays_with.closed_captions = text(attribute),
            "STABLE-VARIANT-ID" => track.id = attribute.value.to_owned(),
            _ => take_stream_attribute(&mut track, attribute),
        }
    }
    if track.resolution.is_none() && track.codecs.as_deref().is_some_and(is_audio_only) {
        track.kind = TrackKind::Audio;
    }
    track
}

/// `None` without a reference: then there is nothing to play.
fn i_frames_of(list: &str) -> Option<Track> {
    let mut track = Track { kind: TrackKind::Video, is_trick_play: true, ..Track::default() };
    let mut reference = None;
    for attribute in attributes(list) {
        match attribute.name {
            "URI" => reference = text(attribute),
            "STABLE-VARIANT-ID" => track.id = attribute.value.to_owned(),
            _ => take_stream_attribute(&mut track, attribute),
        }
    }
    if track.resolution.is_none() && track.codecs.as_deref().is_some_and(is_audio_only) {
        track.kind = TrackKind::Audio;
    }
    Some(Track { media: TrackMedia::Playlist(reference?), ..track })
}

fn take_stream_attribute(track: &mut Track, attribute: Attribute<'_>) {
    match attribute.name {
        "BANDWIDTH" => track.bandwidth = attribute.value.trim().parse().ok(),
        "CODECS" if attribute.is_quoted => track.codecs = text(attribute),
        "RESOLUTION" => track.resolution = Some(resolution(attribute.value).unwrap_or_default()),
        "FRAME-RATE" => track.frame_rate = text(attribute),
        "NAME" => track.label = text(attribute),
        _ => {}
    }
}

/// `None` if the tag is malformed: a media playlist of closed captions, a type or reference that is empty.
fn rendition_of(list: &str) -> Option<Track> {
    let mut track = Track::default();
    let (mut kind, mut reference) = (None, None);
    for attribute in attributes(list) {
        match attribute.name {
            "TYPE" => kind = Some(attribute.value),
            "URI" => reference = Some(attribute.value),
            "GROUP-ID" => track.group = text(attribute),
            "LANGUAGE" => track.language = text(attribute),
            "NAME" => track.label = text(attribute),
            "CHANNELS" => track.channels = text(attribute),
            "STABLE-RENDITION-ID" => track.id = attribute.value.to_owned(),
            "DEFAULT" => track.is_default = attribute.value.trim() == "YES",
            "FORCED" => track.is_forced = attribute.value.trim() == "YES",
            "CHARACTERISTICS" => track.roles = attribute.value.split(',').map(|role| role.trim().to_owned()).collect(),
            _ => {}
        }
    }
    track.kind = match kind {
        Some("AUDIO") => TrackKind::Audio,
        Some("VIDEO") => TrackKind::Video,
        Some("SUBTITLES" | "CLOSED-CAPTIONS") => TrackKind::Text,
        _ => TrackKind::Other,
    };
    if let (Some(kind), Some(reference)) = (kind, reference) {
        if kind.is_empty() || kind == "CLOSED-CAPTIONS" || reference.is_empty() {
            return None;
        }
        track.media = TrackMedia::Playlist(reference.to_owned());
    }
    Some(track)
}

fn text(attribute: Attribute<'_>) -> Option<String> {
    Some(attribute.value.to_owned()).filter(|value| !value.is_empty())
}

fn resolution(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.trim().split_once(['x', 'X'])?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

/// Returns true if every codec of a list is an audio codec (RFC 6381 names).
fn is_audio_only(codecs: &str) -> bool {
    const AUDIO: [&str; 10] = ["mp4a", "ac-3", "ec-3", "ac-4", "opus", "flac", "alac", "dts", "mhm", "mha"];
    codecs
        .split(',')
        .map(|codec| codec.trim().to_ascii_lowercase())
        .all(|codec| AUDIO.iter().any(|audio| codec.starts_with(audio)))
}
