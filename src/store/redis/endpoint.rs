//! The servers that a URL names.

use std::fmt;

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::error::RedisStoreError;
use super::url_parameters::is_socket;

/// The servers that hold the records.
pub(super) enum Endpoint {
    /// One server.
    Server(ConnectionInfo),
    /// The server of an application's own client.
    Client(Client),
    /// The master that Sentinels monitor.
    Sentinel(MonitoredMaster),
    /// A Cluster that has these nodes, among others.
    Cluster(Vec<ConnectionInfo>),
}

/// A master that Sentinels monitor.
#[derive(Clone)]
pub(super) struct MonitoredMaster {
    /// The name that the Sentinels know it by.
    pub(super) name: String,
    pub(super) sentinels: Vec<ConnectionInfo>,
    /// How to connect to the master. The address is replaced by the one that the Sentinels name.
    pub(super) server: ConnectionInfo,
}

impl Endpoint {
    /// Reads a URL. `RedisStore::connect` documents its format.
    pub(super) fn parse(url: &str) -> Result<Self, RedisStoreError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisStoreError::address(
            "it has no scheme: begin it with `redis://`, `redis+sentinel://` or `redis+cluster://`",
        ))?;
        match scheme.split_once('+') {
            Some((one, "sentinel")) => sentinel(one, rest).map(Self::Sentinel),
            Some((one, "cluster")) => cluster(one, rest).map(Self::Cluster),
            _ => server(url).map(Self::Server),
        }
    }

    /// Returns every server that is named, so that a setting can be applied to each.
    pub(super) fn each(&mut self) -> Vec<&mut ConnectionInfo> {
        match self {
            Self::Server(server) => vec![server],
            Self::Client(_) => Vec::new(),
            Self::Cluster(nodes) => nodes.iter_mut().collect(),
            Self::Sentinel(monitored) => {
                let sentinels = monitored.sentinels.iter_mut();
                sentinels.chain([&mut monitored.server]).collect()
            }
        }
    }
}

/// Shows addresses only, never credentials.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(server) => write!(f, "{}", server.addr()),
            Self::Client(client) => write!(f, "{}", client.get_connection_info().addr()),
            Self::Sentinel(monitored) => {
                write!(f, "{}, monitored by the Sentinels ", monitored.name)?;
                addresses(&monitored.sentinels, f)
            }
            Self::Cluster(nodes) => {
                f.write_str("the Cluster of ")?;
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

fn sentinel(scheme: &str, rest: &str) -> Result<MonitoredMaster, RedisStoreError> {
    let parts = Parts::of(rest);
    let (name, database) = parts.path.split_once('/').unwrap_or((parts.path, ""));
    if name.is_empty() {
        return Err(RedisStoreError::address(
            "it names no master: write `redis+sentinel://host:port,host:port/master-name`",
        ));
    }
    let mut sentinels = Vec::new();
    for host in parts.hosts.split(',') {
        // The first credentials are the server's. A Sentinel's own stand in front of its host.
        sentinels.push(server(&format!("{scheme}://{host}"))?);
    }
    // The host is replaced by the one that the Sentinels name.
    let server = server(&format!(
        "{scheme}://{}localhost/{database}",
        parts.credentials
    ))?;
    Ok(MonitoredMaster {
        name: name.to_owned(),
        sentinels,
        server,
    })
}

fn cluster(scheme: &str, rest: &str) -> Result<Vec<ConnectionInfo>, RedisStoreError> {
    let parts = Parts::of(rest);
    if !parts.path.is_empty() {
        return Err(RedisStoreError::address(
            "a Cluster has no databases: write `redis+cluster://host:port,host:port`",
        ));
    }
    let hosts = parts.hosts.split(',');
    hosts
        .map(|host| server(&format!("{scheme}://{}{host}", parts.credentials)))
        .collect()
}

/// The parts of `credentials@host,host/path`.
struct Parts<'a> {
    /// They end with the `@`, or are empty.
    credentials: &'a str,
    hosts: &'a str,
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str) -> Self {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // The first `@` ends the server's credentials. Inside them, an `@` is written `%40`.
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
                "write `rediss://user:password@host:port/database`, and turn on the feature \
                 `redis-tls`"
            }
            _ if is_socket(scheme) => "write `redis+unix:///path/of/socket?db=0&user=…&pass=…`",
            _ => "write `redis://user:password@host:port/database`",
        })
    })?;
    if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
        return Err(RedisStoreError::address(
            "`#insecure` accepts any server: trust the server's certificate with \
             `RedisStore::builder().with_root_certificate(…)` instead",
        ));
    }
    // The name of the library would need one more right, and has none to give it in Redis 7.0.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        match Endpoint::parse(url) {
            Ok(endpoint) => endpoint.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_server_sentinels_and_a_cluster_are_parsed() {
        assert_eq!(shown("redis://cache"), "cache:6379");
        assert_eq!(shown("redis://u:p@[::1]:7000/2"), "::1:7000");
        assert_eq!(
            shown("redis+sentinel://a:1,b:2/mymaster"),
            "mymaster, monitored by the Sentinels a:1, b:2"
        );
        assert_eq!(shown("redis+cluster://a:1,b"), "the Cluster of a:1, b:6379");
        assert_eq!(shown("valkey://a:1"), "a:1");
        assert_eq!(shown("valkey+cluster://a:1"), "the Cluster of a:1");
        assert_eq!(
            shown("redis+unix:///run/redis.sock?db=2"),
            "/run/redis.sock"
        );
        assert_eq!(shown("valkey+unix:///run/valkey.sock"), "/run/valkey.sock");
    }

    #[test]
    fn credentials_and_the_database_go_to_the_right_servers() {
        let Ok(Endpoint::Sentinel(monitored)) =
            Endpoint::parse("redis+sentinel://u:p%40@s:q@a:1,b:2/name/3")
        else {
            panic!("not a sentinel");
        };
        let server = monitored.server.redis_settings();
        assert_eq!(
            (server.username(), server.password()),
            (Some("u"), Some("p@"))
        );
        assert_eq!(server.db(), 3);
        let [a, b] = &monitored.sentinels[..] else {
            panic!("not two sentinels");
        };
        assert_eq!(a.redis_settings().password(), Some("q"));
        assert_eq!(b.redis_settings().password(), None);
        let Ok(Endpoint::Cluster(nodes)) = Endpoint::parse("redis+cluster://:p@a:1,b:2") else {
            panic!("not a cluster");
        };
        assert!(
            nodes
                .iter()
                .all(|node| node.redis_settings().password() == Some("p"))
        );
    }

    #[test]
    fn an_unusable_url_is_an_error_that_does_not_repeat_it() {
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
            let error = Endpoint::parse(url)
                .err()
                .unwrap_or_else(|| panic!("{url} is accepted"));
            assert!(
                !format!("{error} {error:?}").contains("secret"),
                "{error:?}"
            );
        }
    }
}
