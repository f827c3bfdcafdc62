//! The address of a server: read from a redirection, and put into the settings of a connection.

use redis::{ConnectionAddr, ConnectionInfo};

/// A server's host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Reads the address of these settings. A Unix socket has none.
    pub(super) fn of(server: &ConnectionInfo) -> Option<Self> {
        match server.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some(Self {
                    host: host.clone(),
                    port: *port,
                })
            }
            _ => None,
        }
    }

    /// Builds the address of a node as another node names it. Returns `None` where that node does
    /// not know the host.
    ///
    /// A node that does not know its own host leaves it out, or names the address that stands for
    /// all. Then the host is the one by which the answering node was reached.
    pub(super) fn named(host: &str, port: u16, answering: &str) -> Option<Self> {
        let host = match host {
            "?" => return None,
            "" | "0.0.0.0" | "::" => answering,
            host => host,
        };
        Some(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// Reads `host:port` as a redirection names it. [`named`](Self::named) says what is returned.
    pub(super) fn read(text: &str, answering: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Self::named(host, port.parse().ok()?, answering)
    }

    /// Returns settings that differ in the address only.
    pub(super) fn applied_to(&self, server: &ConnectionInfo) -> ConnectionInfo {
        let Self { host, port } = self.clone();
        let addr = match server.addr().clone() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure,
                tls_params,
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        server.clone().set_addr(addr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_are_read() {
        let read = |text| Address::read(text, "answering").map(|read| (read.host, read.port));
        let is = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(read("10.0.0.1:6381"), is("10.0.0.1", 6381));
        assert_eq!(read("2001:db8::1:6381"), is("2001:db8::1", 6381));
        assert_eq!(read("node.example:1"), is("node.example", 1));
        assert_eq!(read(":6381"), is("answering", 6381));
        for malformed in ["?:6381", "host", "host:", "host:-1", "host:65536", ""] {
            assert_eq!(read(malformed), None, "{malformed}");
        }
    }
}
