//! Which root certificates are trusted (ADR 0006).

use std::sync::Arc;

use reqwest::ClientBuilder;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Code, Error, Result};

/// Where trust comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsRoots {
    /// The platform's verifier, with the roots that user and administrator have installed. This is the default.
    ///
    /// On Android it must have been given the JVM before the first request, or it panics.
    #[default]
    Platform,
    /// Mozilla's roots as of the day Larder was built, and no others.
    Bundled,
}

/// Sets up TLS with ring as the provider; `extra_roots` are trusted besides.
pub(super) fn configure(
    builder: ClientBuilder,
    roots: TlsRoots,
    extra_roots: &[CertificateDer<'static>],
) -> Result<ClientBuilder> {
    match roots {
        TlsRoots::Platform => platform(builder, extra_roots),
        TlsRoots::Bundled => Ok(builder.tls_backend_preconfigured(bundled(extra_roots)?)),
    }
}

fn platform(builder: ClientBuilder, extra_roots: &[CertificateDer<'static>]) -> Result<ClientBuilder> {
    // reqwest makes the platform's verifier with the process's default provider. An app that links rustls itself may
    // have chosen one already: then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if extra_roots.is_empty() {
        return Ok(builder);
    }
    let mut certificates = Vec::with_capacity(extra_roots.len());
    for root in extra_roots {
        certificates.push(reqwest::Certificate::from_der(root).map_err(|cause| invalid_root().caused_by(cause))?);
    }
    Ok(builder.tls_certs_merge(certificates))
}

fn bundled(extra_roots: &[CertificateDer<'static>]) -> Result<ClientConfig> {
    let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in extra_roots {
        store.add(root.clone()).map_err(|cause| invalid_root().caused_by(cause))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::new(Code::Internal, "TLS could not be set up").caused_by(cause))?
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn invalid_root() -> Error {
    Error::new(Code::InvalidArgument, "an extra root certificate is not a certificate in DER")
}
