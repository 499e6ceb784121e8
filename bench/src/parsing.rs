//! Reading manifests into the media model, against the parsers that do nothing else.

use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use larder_core::manifest::hls::{self, Variables};
use larder_core::manifest::{dash, localize};
use larder_core::model::MediaFormat;
use quick_xml::events::Event;

use crate::measure::best;
use crate::table::Table;

const ROUNDS: usize = 15;
const SEGMENTS: u32 = 20_000;
const ENTRIES: u32 = 10_000;

pub(crate) fn measure(table: &mut Table) -> Result<(), Box<dyn Error>> {
    let playlist = playlist();
    let ours = timed(|| hls::read(playlist.as_bytes(), &Variables::new()).is_ok())?;
    let peer = timed(|| m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).is_ok())?;
    table.compared("read a playlist of 20,000 segments", ours, "m3u8-rs alone", peer, "<= 1.5x");

    let mpd = mpd();
    let ours = timed(|| dash::read(mpd.as_bytes()).is_ok())?;
    let peer = timed(|| events(&mpd).is_ok())?;
    table.compared("read an MPD of 10,000 entries", ours, "quick-xml's events alone", peer, "<= 2.5x");

    let keep_all = |text: &str, format| {
        let url = "https://cdn.example.com/film/manifest";
        timed(|| localize::make_absolute(text.as_bytes(), format, url, &mut |_| true).is_ok())
    };
    let hls = keep_all(&playlist, MediaFormat::Hls)?;
    let peer = timed(|| m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).is_ok())?;
    table.compared("rewrite that playlist", hls, "m3u8-rs alone, parsing", peer, "informative");
    let dash = keep_all(&mpd, MediaFormat::Dash)?;
    let peer = timed(|| events(&mpd).is_ok())?;
    table.compared("rewrite that MPD", dash, "quick-xml's events alone", peer, "informative");
    Ok(())
}

/// Returns the best time of several rounds, in nanoseconds. Fails if the work does.
fn timed(mut work: impl FnMut() -> bool) -> Result<f64, Box<dyn Error>> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        if !black_box(work()) {
            return Err("a manifest of the figures was not read".into());
        }
        times.push(begun.elapsed().as_nanos() as f64);
    }
    Ok(best(&times))
}

fn playlist() -> String {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n".to_owned();
    for number in 0..SEGMENTS {
        if number % 1_000 == 0 {
            let _ = writeln!(text, "#EXT-X-KEY:METHOD=AES-128,URI=\"keys/{}.key\",IV=0x{number:032x}", number / 1_000);
        }
        let _ = writeln!(text, "#EXTINF:4.004000,\nvideo/1080p/segment-{number:06}.ts?token=0123456789abcdef");
    }
    text + "#EXT-X-ENDLIST\n"
}

fn mpd() -> String {
    let mut text = "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
        mediaPresentationDuration=\"PT11H\"><Period><AdaptationSet contentType=\"video\" mimeType=\"video/mp4\">\
        <Representation id=\"v\" bandwidth=\"800000\" codecs=\"avc1.4d401e\" width=\"1280\" height=\"720\">\
        <SegmentTemplate timescale=\"90000\" initialization=\"i.mp4\" media=\"$Time$.m4s\"><SegmentTimeline>"
        .to_owned();
    let mut time = 0_u64;
    for number in 0..ENTRIES {
        let duration = 360_000 + u64::from(number % 7);
        let _ = write!(text, "<S t=\"{time}\" d=\"{duration}\"/>");
        time += duration;
    }
    text + "</SegmentTimeline></SegmentTemplate></Representation></AdaptationSet></Period></MPD>"
}

/// Passes over the events and their attributes, and keeps nothing.
fn events(text: &str) -> Result<usize, quick_xml::Error> {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut attributes = 0;
    loop {
        match reader.read_event()? {
            Event::Start(element) | Event::Empty(element) => {
                for attribute in element.attributes().with_checks(false) {
                    attributes += usize::from(!black_box(attribute?.value).is_empty());
                }
            }
            Event::Eof => return Ok(attributes),
            _ => {}
        }
    }
}
