//! How is a connection kept private?

use redis::cluster::ClusterClientBuilder;
use redis::{Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};

use super::builder::RedisStoreBuilder;
use super::error::RedisStoreError;

/// Certificates beyond the system's.
#[derive(Clone, Default)]
pub(super) struct Tls(Option<TlsCertificates>);

impl RedisStoreBuilder {
    /// The certificate, in PEM, of who vouches for the server, instead of those that the system trusts.
    pub fn with_root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.certificates().root_cert = Some(pem.into());
        self
    }

    /// The certificate and the private key, in PEM, by which the server knows this client.
    pub fn with_client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.tls.certificates().client_tls = Some(ClientTlsConfig {
            client_cert: certificate.into(),
            client_key: key.into(),
        });
        self
    }
}

impl Tls {
    pub(super) fn of_server(
        &self,
        info: ConnectionInfo,
    ) -> Result<ConnectionInfo, RedisStoreError> {
        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Ok(info);
        }
        choose_cryptography();
        let Some(certificates) = &self.0 else {
            return Ok(info);
        };
        // This only reads the certificates.
        let client =
            Client::build_with_tls(info, certificates.clone()).map_err(RedisStoreError::refused)?;
        Ok(client.get_connection_info().clone())
    }

    pub(super) fn of_cluster(&self, builder: ClusterClientBuilder) -> ClusterClientBuilder {
        match &self.0 {
            Some(certificates) => builder.certs(certificates.clone()),
            None => builder,
        }
    }

    fn certificates(&mut self) -> &mut TlsCertificates {
        self.0.get_or_insert(TlsCertificates {
            client_tls: None,
            root_cert: None,
        })
    }
}

/// Redis's client takes the process's choice, and panics where none was made.
fn choose_cryptography() {
    if CryptoProvider::get_default().is_none() {
        // Where somebody else chose at the same moment, that choice stands.
        let _ = ring::default_provider().install_default();
    }
}
