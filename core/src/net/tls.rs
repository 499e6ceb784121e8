//! Whom to trust (ADR 0006 and 0008).

use std::fmt;
use std::sync::Arc;

use reqwest::ClientBuilder;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, KeyProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SigningKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Code, Error, Result};
use crate::ports::ServerTrust;

/// Where trust comes from. Extra roots are trusted besides, whichever it is.
#[derive(Clone, Default)]
pub enum Trust {
    /// The platform's verifier, with the roots that user and administrator have installed. This is the default. Not on
    /// Android, where only the app's own process can ask: see [`Trust::Asking`].
    #[default]
    Platform,
    /// The implementation of the port judges the chain; names and signatures are checked here.
    Asking(Arc<dyn ServerTrust>),
    /// The extra roots alone.
    ExtraRootsOnly,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Platform => "Platform",
            Self::Asking(_) => "Asking",
            Self::ExtraRootsOnly => "ExtraRootsOnly",
        })
    }
}

/// Sets up TLS with ring as the provider.
pub(super) fn configure(
    builder: ClientBuilder,
    trust: &Trust,
    extra_roots: &[CertificateDer<'static>],
) -> Result<ClientBuilder> {
    let provider = Arc::new(provider());
    let asked = match trust {
        Trust::Platform => return platform(builder, extra_roots),
        Trust::Asking(asked) => Some(Arc::clone(asked)),
        Trust::ExtraRootsOnly => None,
    };
    let verifier = Arc::new(Verifier { extra_roots: chain_verifier(extra_roots, &provider)?, asked, provider });
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::new(Code::Internal, "TLS could not be set up").caused_by(cause))?
        .dangerous() // the name of the method; what is dangerous about it is in `Verifier`
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(builder.tls_backend_preconfigured(config))
}

/// ring, without the part that signs: no server asks this client for a certificate of its own.
fn provider() -> CryptoProvider {
    CryptoProvider { key_provider: &NoKeys, ..rustls::crypto::ring::default_provider() }
}

#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("Larder has no client certificates".to_owned()))
    }
}

fn platform(builder: ClientBuilder, extra_roots: &[CertificateDer<'static>]) -> Result<ClientBuilder> {
    // reqwest makes the platform's verifier with the process's default provider. An app that links rustls itself may
    // have chosen one already: then that one is used.
    let _ = provider().install_default();
    if extra_roots.is_empty() {
        return Ok(builder);
    }
    let mut certificates = Vec::with_capacity(extra_roots.len());
    for root in extra_roots {
        certificates.push(reqwest::Certificate::from_der(root).map_err(|cause| invalid_root().caused_by(cause))?);
    }
    Ok(builder.tls_certs_merge(certificates))
}

/// rustls' own verifier over the extra roots; `None` without any.
fn chain_verifier(
    extra_roots: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<WebPkiServerVerifier>>> {
    if extra_roots.is_empty() {
        return Ok(None);
    }
    let mut store = RootCertStore::empty();
    for root in extra_roots {
        store.add(root.clone()).map_err(|cause| invalid_root().caused_by(cause))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build();
    verifier.map(Some).map_err(|cause| invalid_root().caused_by(cause))
}

/// Asks the extra roots first, because that is cheap and local, then the given verifier.
struct Verifier {
    extra_roots: Option<Arc<WebPkiServerVerifier>>,
    asked: Option<Arc<dyn ServerTrust>>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut refused = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        if let Some(extra_roots) = &self.extra_roots {
            match extra_roots.verify_server_cert(leaf, intermediates, server_name, ocsp_response, now) {
                Err(error) => refused = error,
                verified => return verified,
            }
        }
        let Some(asked) = &self.asked else { return Err(refused) };
        // A platform judges chains; that this one is for this server is looked at here, whatever the platform does.
        verify_server_name(&ParsedCertificate::try_from(leaf)?, server_name)?;
        let chain = std::iter::once(leaf).chain(intermediates).map(|certificate| certificate.to_vec()).collect();
        match asked.verify(chain, &server_name.to_str()) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(error) => {
                tracing::warn!(code = error.code().as_str(), "the platform does not trust the server's certificate");
                Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn invalid_root() -> Error {
    Error::new(Code::InvalidArgument, "an extra root certificate is not a certificate in DER")
}
