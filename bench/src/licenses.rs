//! The cost of a license in round trips, as its server counts them.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use larder_core::Cancellation;
use larder_core::assets::{Config, LocalAssetsManager, Ports, Timeouts};
use larder_core::license::clearkey::ClearKeyEngine;
use larder_core::model::{AssetId, AssetRegistration, DrmParams, DrmScheme, MediaSource, Profile};
use larder_core::net::{ClientSettings, ReqwestClient};
use larder_core::ports::{Executors, HttpClient, HttpRequest, NetworkState};
use larder_testkit::{Options, RequestKind, ScriptedStorage, Testkit};

use crate::catalogue::WallClock;
use crate::measure::best;
use crate::table::Table;

const TITLES: u32 = 40;

pub(crate) fn measure(table: &mut Table) -> Result<(), Box<dyn Error>> {
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/media").canonicalize()?;
    let kit = Testkit::start(Options { media_root: Some(media.clone()), ..Options::default() })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let http = Arc::new(ReqwestClient::new(&ClientSettings::default(), runtime.handle().clone())?);
    let ports = Ports {
        engines: vec![Arc::new(ClearKeyEngine::new(Arc::new(WallClock)))],
        storage: Arc::new(ScriptedStorage::default()),
        http: Arc::clone(&http) as Arc<dyn HttpClient>,
        clock: Arc::new(WallClock),
        request_adapter: None,
        token_provider: None,
        source_url_provider: None,
        event_sink: None,
        executors: Executors::shared(runtime.handle().clone()),
    };
    let config = Config {
        data_dir: folder.path().join("store"),
        roots: Vec::new(),
        profile: Profile::default(),
        timeouts: Timeouts::default(),
        network: NetworkState::Online,
    };
    let manager = LocalAssetsManager::open(config, ports)?;
    let license_url = kit.url("/clearkey/license");
    let mut registered_ns = Vec::new();
    for number in 0..TITLES {
        let begun = Instant::now();
        manager.register(registration(number, &media, &license_url)?, &Cancellation::new())?;
        registered_ns.push(begun.elapsed().as_nanos() as f64);
    }
    let counts = kit.counts();
    let per_license = counts.requests as f64 / f64::from(TITLES);
    let value = format!("{per_license:.2} ({} licenses)", counts.of(RequestKind::License));
    table.plain("round trips per license, counted by the server", value, "1");

    let mut exchange_ns = Vec::new();
    let asked = kit.requests();
    let body = asked.last().map(|request| request.body.clone()).unwrap_or_default();
    for _ in 0..TITLES {
        let begun = Instant::now();
        http.send(HttpRequest {
            method: "POST",
            url: license_url.clone(),
            headers: Vec::new(),
            body: body.clone(),
            timeout_ms: 5000,
            max_body_bytes: 1_000_000,
        })?;
        exchange_ns.push(begun.elapsed().as_nanos() as f64);
    }
    let peer = "the bare exchange";
    table.compared(
        "register a protected title, durable steps included",
        best(&registered_ns),
        peer,
        best(&exchange_ns),
        "",
    );
    Ok(())
}

fn registration(number: u32, media: &Path, license_url: &str) -> Result<AssetRegistration, Box<dyn Error>> {
    Ok(AssetRegistration {
        asset_id: AssetId::new(format!("title {number}"))?,
        entry_id: None,
        path: media.join("dash-cenc"),
        source: MediaSource { drm: vec![DrmParams::new(DrmScheme::ClearKey, license_url)], ..MediaSource::default() },
        metadata: None,
    })
}
