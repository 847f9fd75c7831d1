//! Certificates that are in use, and their replacement when the files change.

use std::{sync::Arc, time::Duration};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    version::{TLS12, TLS13},
};
use tokio::{sync::watch, time::sleep};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::{
    expiry::{self, Validity},
    files::{Contents, Files, Part, Unusable},
    name::{PeerName, certified},
};
use crate::{
    check::Check,
    clock::Clock,
    config::{Reader, Setting},
    tasks::Background,
};

/// How often the files are read again.
const READ_EVERY: Duration = Duration::from_secs(1);
/// The time limit of a handshake with a service.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// The certificate of a process, its key and its authorities.
pub struct Certificates {
    files: Files,
    /// The process' name in the mesh. `None`: a public port. Its clients show no certificate.
    name: Option<&'static str>,
    contents: Contents,
    loaded: Arc<Loaded>,
}

/// The TLS configurations that were built from the files.
struct Loaded {
    server: Arc<ServerConfig>,
    /// For calls to other processes of the mesh.
    client: ClientTlsConfig,
    validity: Validity,
    /// Counts the changes of the files.
    generation: u64,
}

impl Certificates {
    /// Reads the files. `settings` are their settings, in the order of `Part`. Returns `None` only after it noted a problem.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        files: Files,
        name: Option<&'static str>,
        settings: &[Setting; 3],
    ) -> Option<Self> {
        let read = files.read().and_then(|contents| {
            let loaded = Arc::new(load(&contents, name, 1)?);
            Ok(Self { files, name, contents, loaded })
        });
        match read {
            Ok(certificates) => Some(certificates),
            Err(Unusable { part, problem, .. }) => {
                reader.problem(&settings[part as usize], problem);
                None
            }
        }
    }

    /// The check of `levqor doctor` with this name: how long the certificates are valid.
    pub(super) fn check(&self, name: impl Into<String>) -> Check {
        let finding = expiry::judge(self.loaded.validity, Clock::default().now());
        Check::new(name, "the end of its validity", std::future::ready(finding))
    }

    /// Uses the certificates, and reads the files again while the tasks run.
    #[must_use]
    pub fn watched(self, tasks: &Background) -> Live {
        let (current, live) = watch::channel(Arc::clone(&self.loaded));
        tasks.spawn(reload(self, current));
        Live(live)
    }

    /// Uses the current certificates, for a command that ends soon.
    #[must_use]
    pub fn as_read(&self) -> Live {
        Live(watch::channel(Arc::clone(&self.loaded)).1)
    }
}

/// Reads the files repeatedly. It logs unusable files once, and keeps the previous certificates.
async fn reload(mut used: Certificates, current: watch::Sender<Arc<Loaded>>) {
    let mut logged: Option<Unusable> = None;
    while !current.is_closed() {
        sleep(READ_EVERY).await;
        let files = used.files.clone();
        // A panic of the reader is reported by the panic hook.
        let Ok(read) = tokio::task::spawn_blocking(move || files.read()).await else { continue };
        let next = match read {
            Ok(contents) if contents == used.contents => {
                logged = None;
                continue;
            }
            Ok(contents) => load(&contents, used.name, used.loaded.generation + 1).map(|it| (contents, it)),
            Err(unusable) => Err(unusable),
        };
        match next {
            Ok((contents, loaded)) => {
                (used.contents, used.loaded) = (contents, Arc::new(loaded));
                current.send_replace(Arc::clone(&used.loaded));
                logged = None;
                tracing::info!("new certificates are in use");
            }
            Err(unusable) => {
                if logged.as_ref() != Some(&unusable) {
                    let error = &unusable as &dyn std::error::Error;
                    tracing::warn!(error, "the new certificates cannot be used: the old ones stay in use");
                }
                logged = Some(unusable);
            }
        }
    }
}

/// Certificates in use. New connections take the newest ones. Cheap to clone.
#[derive(Clone)]
pub struct Live(watch::Receiver<Arc<Loaded>>);

impl Live {
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.borrow().server)
    }

    pub(super) fn validity(&self) -> Validity {
        self.0.borrow().validity
    }

    /// Changes with the files.
    pub(crate) fn generation(&self) -> u64 {
        self.0.borrow().generation
    }

    /// Waits until the files have changed.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // No task reads the files again.
            std::future::pending::<()>().await;
        }
    }

    /// The same endpoint, but each connection checks the certificate of the service.
    pub(crate) fn secure(&self, endpoint: &Endpoint, service: &str) -> Option<Endpoint> {
        let client = self.0.borrow().client.clone().domain_name(certified(service));
        endpoint.clone().tls_config(client).ok()
    }
}

fn load(contents: &Contents, name: Option<&'static str>, generation: u64) -> Result<Loaded, Unusable> {
    let server = Arc::new(server(contents, name)?);
    let chain = certificates(Part::Certificate, &contents.certificate)?;
    let no_end =
        || Unusable::new(Part::Certificate, "expected a certificate that says until when it is valid");
    Ok(Loaded {
        server,
        client: client(contents)?,
        validity: expiry::of(&chain).ok_or_else(no_end)?,
        generation,
    })
}

/// How the port of a process accepts connections.
fn server(contents: &Contents, name: Option<&'static str>) -> Result<ServerConfig, Unusable> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(Part::Certificate, &contents.certificate)?;
    let named = chain.first().and_then(PeerName::of);
    if let Some(name) = name.filter(|name| !named.is_some_and(|named| named.is(name))) {
        let problem =
            format!("expected a certificate with the DNS name {}, and no other process'", certified(name));
        return Err(Unusable::new(Part::Certificate, problem));
    }
    let wrong_key = |_| Unusable::new(Part::Key, "expected the private key of the certificate, in PEM form");
    let key = PrivateKeyDer::from_pem_slice(&contents.key)
        .map_err(|_| Unusable::new(Part::Key, "expected a private key in PEM form, without a password"))?;
    let Some(authorities) = &contents.authorities else {
        let builder = versions(provider, &[&TLS13, &TLS12])?;
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(wrong_key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        return Ok(config);
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(Part::Authorities, authorities)? {
        roots.add(authority).map_err(|_| not_authorities())?;
    }
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let builder = versions(provider, &[&TLS13])?;
    let builder = builder.with_client_cert_verifier(clients.map_err(|_| not_authorities())?);
    let mut config = builder.with_single_cert(chain, key).map_err(wrong_key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Each connection shows its certificate again, because a resumed session could outlive the certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// How a process calls other processes: it shows its own certificate, and accepts only certificates that its authorities signed.
fn client(contents: &Contents) -> Result<ClientTlsConfig, Unusable> {
    let authorities = contents.authorities.as_deref().unwrap_or_default();
    let config = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authorities))
        .identity(Identity::from_pem(&contents.certificate, &contents.key))
        .timeout(HANDSHAKE_TIMEOUT);
    // Tested now, so that no later step can fail.
    let tried = Endpoint::from_static("https://localhost").tls_config(config.clone());
    tried.map_err(|_| Unusable::new(Part::Certificate, "expected a certificate for clients and servers"))?;
    Ok(config)
}

type Builder = rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>;

fn versions(
    provider: Arc<CryptoProvider>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Result<Builder, Unusable> {
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions);
    builder.map_err(|_| Unusable::new(Part::Certificate, "no version of TLS can be used"))
}

fn certificates(part: Part, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(Unusable::new(part, "expected certificates in PEM form")),
    }
}

fn not_authorities() -> Unusable {
    Unusable::new(Part::Authorities, "expected certificates of authorities")
}
