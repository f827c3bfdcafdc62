//! The settings of TLS: certificates, and which cryptography is used.

use redis::cluster::ClusterClientBuilder;
use redis::{Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};

use super::error::RedisStoreError;

/// Certificates beyond the system's.
#[derive(Clone, Default)]
pub(super) struct Tls(Option<TlsCertificates>);

impl Tls {
    pub(super) fn set_root_certificate(&mut self, pem: Vec<u8>) {
        self.certificates().root_cert = Some(pem);
    }

    pub(super) fn set_client_certificate(&mut self, certificate: Vec<u8>, key: Vec<u8>) {
        self.certificates().client_tls = Some(ClientTlsConfig {
            client_cert: certificate,
            client_key: key,
        });
    }

    pub(super) fn apply_to_server(
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

    pub(super) fn apply_to_cluster(&self, builder: ClusterClientBuilder) -> ClusterClientBuilder {
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

/// Sets the process's default cryptography, where none is set: the client panics without one.
fn choose_cryptography() {
    if CryptoProvider::get_default().is_none() {
        // Where another thread sets it at the same moment, that default stays.
        let _ = ring::default_provider().install_default();
    }
}
