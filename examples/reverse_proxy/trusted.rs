//! The proxies in front of this one, whose word about the client counts.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// A range of addresses, such as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy)]
pub struct TrustedProxy {
    network: IpAddr,
    prefix: u32,
}

impl TrustedProxy {
    fn contains(self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differs = network.to_bits() ^ address.to_bits();
                differs.checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differs = network.to_bits() ^ address.to_bits();
                differs.checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for TrustedProxy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "expected an address such as 10.0.0.1, or a range such as 10.0.0.0/8";
        let (network, prefix) = match text.split_once('/') {
            Some((network, prefix)) => (network, Some(prefix)),
            None => (text, None),
        };
        let network: IpAddr = network.parse().map_err(|_| EXPECTED)?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| EXPECTED)?,
            None => most,
        };
        if prefix > most {
            return Err(EXPECTED);
        }
        Ok(Self { network, prefix })
    }
}

/// All of them.
#[derive(Clone)]
pub struct TrustedProxies(Arc<[TrustedProxy]>);

impl TrustedProxies {
    pub fn new(proxies: Vec<TrustedProxy>) -> Self {
        Self(proxies.into())
    }

    pub fn sender(&self, address: IpAddr) -> Sender {
        if self.0.iter().any(|proxy| proxy.contains(address)) {
            Sender::TrustedProxy
        } else {
            Sender::Client
        }
    }
}

/// Who sends a request to this proxy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    Client,
    TrustedProxy,
}
