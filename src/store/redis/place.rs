//! Which servers does a URL name?

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use super::error::RedisStoreError;

/// Where the records are.
pub(super) enum Place {
    /// In one server.
    Server(ConnectionInfo),
    /// In the server that the Sentinels call by this name.
    Sentinel(Watched),
    /// In a Cluster with these nodes among others.
    Cluster(Vec<ConnectionInfo>),
}

/// A server that Sentinels watch over.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) name: String,
    pub(super) sentinels: Vec<ConnectionInfo>,
    /// How to connect to the server, except for the address.
    pub(super) server: ConnectionInfo,
}

impl Place {
    /// The servers that this URL names. [`RedisStore::connect`](super::RedisStore::connect) says how it is written.
    pub(super) fn parse(url: &str) -> Result<Self, RedisStoreError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisStoreError::address(
            "it has no scheme; it begins with `redis://`, `redis+sentinel://` or `redis+cluster://`",
        ))?;
        match scheme.split_once('+') {
            Some((one, "sentinel")) => sentinel(one, rest).map(Self::Sentinel),
            Some((one, "cluster")) => cluster(one, rest).map(Self::Cluster),
            _ => server(url).map(Self::Server),
        }
    }

    /// Every server that is named, to be set up alike.
    pub(super) fn each(&mut self) -> Vec<&mut ConnectionInfo> {
        match self {
            Self::Server(server) => vec![server],
            Self::Cluster(nodes) => nodes.iter_mut().collect(),
            Self::Sentinel(watched) => {
                let sentinels = watched.sentinels.iter_mut();
                sentinels.chain([&mut watched.server]).collect()
            }
        }
    }
}

/// Addresses only: credentials are never shown.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(server) => write!(f, "{}", server.addr()),
            Self::Sentinel(watched) => {
                write!(f, "{} by the sentinels ", watched.name)?;
                addresses(&watched.sentinels, f)
            }
            Self::Cluster(nodes) => {
                f.write_str("the cluster of ")?;
                addresses(nodes, f)
            }
        }
    }
}

fn addresses(nodes: &[ConnectionInfo], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, node) in nodes.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{}", node.addr())?;
    }
    Ok(())
}

fn sentinel(scheme: &str, rest: &str) -> Result<Watched, RedisStoreError> {
    let parts = Parts::of(rest);
    let (name, database) = parts.path.split_once('/').unwrap_or((parts.path, ""));
    if name.is_empty() {
        return Err(RedisStoreError::address(
            "it names no master; it is written `redis+sentinel://host:port,host:port/master-name`",
        ));
    }
    let mut sentinels = Vec::new();
    for host in parts.hosts.split(',') {
        // Credentials are the server's. A sentinel that asks for some has its own, in front of its own address.
        sentinels.push(server(&format!("{scheme}://{host}"))?);
    }
    // The address is replaced by the one that a sentinel tells.
    let server = server(&format!(
        "{scheme}://{}localhost/{database}",
        parts.credentials
    ))?;
    Ok(Watched {
        name: name.to_owned(),
        sentinels,
        server,
    })
}

fn cluster(scheme: &str, rest: &str) -> Result<Vec<ConnectionInfo>, RedisStoreError> {
    let parts = Parts::of(rest);
    if !parts.path.is_empty() {
        return Err(RedisStoreError::address(
            "a Cluster has no databases; it is written `redis+cluster://host:port,host:port`",
        ));
    }
    let hosts = parts.hosts.split(',');
    hosts
        .map(|host| server(&format!("{scheme}://{}{host}", parts.credentials)))
        .collect()
}

/// `credentials@host,host/path`
struct Parts<'a> {
    /// With the `@`.
    credentials: &'a str,
    hosts: &'a str,
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str) -> Self {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // The first `@` ends the server's credentials; in them, another one is written `%40`.
        let at = authority.find('@').map_or(0, |at| at + 1);
        let (credentials, hosts) = authority.split_at(at);
        Self {
            credentials,
            hosts,
            path,
        }
    }
}

fn server(url: &str) -> Result<ConnectionInfo, RedisStoreError> {
    let (scheme, _) = url.split_once("://").unwrap_or_default();
    let info = url.into_connection_info().map_err(|_| {
        RedisStoreError::address(match scheme {
            "rediss" | "valkeys" => {
                "it is written `rediss://user:password@host:port/database`, and needs the feature `redis-tls`"
            }
            _ => "it is written `redis://user:password@host:port/database`",
        })
    })?;
    if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
        return Err(RedisStoreError::address(
            "`#insecure` would let anybody play the server; trust its certificate with \
             `RedisStore::builder().with_root_certificate(…)`",
        ));
    }
    // The third version of the protocol carries announcements on the same connection.
    let settings = info
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        match Place::parse(url) {
            Ok(place) => place.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn one_server_sentinels_and_clusters_are_told_apart() {
        assert_eq!(shown("redis://cache"), "cache:6379");
        assert_eq!(shown("redis://u:p@[::1]:7000/2"), "::1:7000");
        assert_eq!(
            shown("redis+sentinel://a:1,b:2/mymaster"),
            "mymaster by the sentinels a:1, b:2"
        );
        assert_eq!(shown("redis+cluster://a:1,b"), "the cluster of a:1, b:6379");
    }

    #[test]
    fn credentials_and_databases_reach_those_they_are_meant_for() {
        let Ok(Place::Sentinel(watched)) =
            Place::parse("redis+sentinel://u:p%40@s:q@a:1,b:2/name/3")
        else {
            panic!("not a sentinel");
        };
        let server = watched.server.redis_settings();
        assert_eq!(
            (server.username(), server.password()),
            (Some("u"), Some("p@"))
        );
        assert_eq!(server.db(), 3);
        let [a, b] = &watched.sentinels[..] else {
            panic!("not two sentinels");
        };
        assert_eq!(a.redis_settings().password(), Some("q"));
        assert_eq!(b.redis_settings().password(), None);
        let Ok(Place::Cluster(nodes)) = Place::parse("redis+cluster://:p@a:1,b:2") else {
            panic!("not a cluster");
        };
        assert!(
            nodes
                .iter()
                .all(|node| node.redis_settings().password() == Some("p"))
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_repeating_it() {
        for url in [
            "secret",
            "redis://user:secret@host:port",
            "redis://user:secret@host/secret",
            "postgres://user:secret@host",
            "redis+sentinel://user:secret@host:1",
            "redis+sentinel://user:secret@host:secret/name",
            "redis+cluster://user:secret@host:1/2",
            "redis+cluster://user:secret@",
        ] {
            let error = Place::parse(url)
                .err()
                .unwrap_or_else(|| panic!("{url} is accepted"));
            assert!(
                !format!("{error} {error:?}").contains("secret"),
                "{error:?}"
            );
        }
    }
}
