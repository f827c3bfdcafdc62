//! TLS: its settings, and connections through it.

use std::io;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::socket2::SockRef;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, RedisResult};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::error::RedisStoreError;

/// Certificates beyond the system's, in PEM.
#[derive(Clone, Default)]
pub(super) struct TlsSettings {
    root: Option<Vec<u8>>,
    client: Option<ClientCertificate>,
}

#[derive(Clone)]
struct ClientCertificate {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl TlsSettings {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "without the feature, it is refused"
    )]
    pub(super) fn set_root_certificate(&mut self, pem: Vec<u8>) -> Result<(), RedisStoreError> {
        self.root = Some(pem);
        Ok(())
    }

    pub(super) fn set_client_certificate(&mut self, certificate: Vec<u8>, key: Vec<u8>) {
        self.client = Some(ClientCertificate { certificate, key });
    }

    /// Reads the certificates, where one of these servers is reached through TLS.
    pub(super) fn prepare(
        &self,
        servers: &[&ConnectionInfo],
    ) -> Result<Option<Tls>, RedisStoreError> {
        if !servers.iter().any(|server| has_tls(server)) {
            return Ok(None);
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|_| RedisStoreError::address("the CryptoProvider has no version of TLS"))?
            .with_root_certificates(self.roots()?);
        let config = match &self.client {
            None => config.with_no_client_auth(),
            Some(client) => {
                let (chain, key) = client.read().map_err(|_| UNREADABLE_CLIENT)?;
                config
                    .with_client_auth_cert(chain, key)
                    .map_err(|_| UNREADABLE_CLIENT)?
            }
        };
        Ok(Some(Tls(TlsConnector::from(Arc::new(config)))))
    }

    fn roots(&self) -> Result<RootCertStore, RedisStoreError> {
        let mut roots = RootCertStore::empty();
        let Some(pem) = &self.root else {
            // A system can hold certificates that cannot be read. The others are used.
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            return Ok(roots);
        };
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| UNREADABLE_ROOT)?;
            roots.add(certificate).map_err(|_| UNREADABLE_ROOT)?;
        }
        if roots.is_empty() {
            return Err(UNREADABLE_ROOT);
        }
        Ok(roots)
    }
}

const UNREADABLE_ROOT: RedisStoreError =
    RedisStoreError::address("the root certificate cannot be read: it must be PEM");
const UNREADABLE_CLIENT: RedisStoreError = RedisStoreError::address(
    "the client certificate or its key cannot be read: both must be PEM, and belong together",
);

impl ClientCertificate {
    fn read(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), rustls::pki_types::pem::Error>
    {
        let chain = CertificateDer::pem_slice_iter(&self.certificate).collect::<Result<_, _>>()?;
        Ok((chain, PrivateKeyDer::from_pem_slice(&self.key)?))
    }
}

fn has_tls(server: &ConnectionInfo) -> bool {
    matches!(server.addr(), ConnectionAddr::TcpTls { .. })
}

/// Returns the process's default cryptography, or else *ring*, for this store alone.
fn provider() -> Arc<CryptoProvider> {
    let default = CryptoProvider::get_default().cloned();
    default.unwrap_or_else(|| Arc::new(ring::default_provider()))
}

/// Opens connections through TLS.
///
/// Redis' own client would build its configuration with rustls' process-wide default. Where there
/// is none, rustls would install one, or panic. Only the application may choose for the whole
/// process.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Opens a connection and logs in.
    pub(super) async fn open(
        &self,
        host: &str,
        port: u16,
        server: &ConnectionInfo,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let stream = TcpStream::connect((host, port)).await?;
        apply_tcp_settings(&stream, server)?;
        let stream = self.0.connect(name, stream).await?;
        let settings = server.redis_settings();
        let (connection, driver) =
            MultiplexedConnection::new_with_config(settings, stream, config.clone()).await?;
        // The driver ends with the last clone of the connection.
        tokio::spawn(driver);
        Ok(connection)
    }
}

fn apply_tcp_settings(stream: &TcpStream, server: &ConnectionInfo) -> io::Result<()> {
    let settings = server.tcp_settings();
    stream.set_nodelay(settings.nodelay())?;
    if let Some(keepalive) = settings.keepalive() {
        SockRef::from(stream).set_tcp_keepalive(keepalive)?;
    }
    apply_user_timeout(stream, server)
}

/// Sets how long sent bytes may be unacknowledged.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
fn apply_user_timeout(stream: &TcpStream, server: &ConnectionInfo) -> io::Result<()> {
    let timeout = server.tcp_settings().user_timeout();
    SockRef::from(stream).set_tcp_user_timeout(timeout)
}

/// Leaves the time to the system, which has no such setting.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
fn apply_user_timeout(_: &TcpStream, _: &ConnectionInfo) -> io::Result<()> {
    Ok(())
}
