//! TLS where the feature `redis-tls` is off: there is none, and nothing to set.
#![allow(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "the methods are those of `tls.rs`"
)]

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionInfo, RedisResult};

use super::error::RedisStoreError;

/// No settings.
#[derive(Clone, Default)]
pub(super) struct TlsSettings {}

impl TlsSettings {
    pub(super) fn set_root_certificate(&mut self, _pem: Vec<u8>) -> Result<(), RedisStoreError> {
        Err(RedisStoreError::address(
            "`ca` needs TLS: turn on the feature `redis-tls`",
        ))
    }

    pub(super) fn prepare(
        &self,
        _servers: &[&ConnectionInfo],
    ) -> Result<Option<Tls>, RedisStoreError> {
        Ok(None)
    }
}

/// No value has this type, because no URL can ask for TLS.
#[derive(Clone)]
pub(super) enum Tls {}

impl Tls {
    pub(super) async fn open(
        &self,
        _host: &str,
        _port: u16,
        _server: &ConnectionInfo,
        _config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        match *self {}
    }
}
