//! A node of a Cluster: its connection, and how commands are sent to it.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Cmd, ConnectionInfo, ErrorKind, ProtocolVersion, RedisResult, Value,
};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::address::Address;
use super::connection;
use super::connector::{Connector, Target};
use super::managed_connection::ManagedConnection;
use super::outages::Outages;
use super::transport::Transport;

/// What all nodes of a Cluster have in common.
pub(super) struct NodeSettings {
    /// How to connect to a node. The address is replaced.
    pub(super) server: ConnectionInfo,
    pub(super) transport: Transport,
    pub(super) config: AsyncConnectionConfig,
    /// How long each step of connecting may take.
    pub(super) limit: Duration,
    /// How many operations may be under way at once, on each node.
    pub(super) in_flight: usize,
    /// How many commands may wait to be written to a node.
    pub(super) queue: usize,
    pub(super) outages: Outages,
    /// Where the background tasks run. An operation can run elsewhere, for a shorter time.
    pub(super) runtime: Handle,
}

/// A node, and its connection.
pub(super) struct Node {
    pub(super) address: Address,
    pub(super) connection: ManagedConnection,
    /// Each node has its own permits, so that those that wait for one node hold up no other.
    in_flight: Semaphore,
}

impl NodeSettings {
    pub(super) fn connector(&self, address: &Address) -> Connector {
        Connector {
            target: Target::Node(address.applied_to(&self.server)),
            transport: self.transport.clone(),
            protocol: ProtocolVersion::RESP3,
            config: self.config.clone(),
            limit: self.limit,
            queue: self.queue,
        }
    }

    /// Begins to connect to a node.
    pub(super) fn node(&self, address: Address) -> Node {
        let connector = self.connector(&address);
        let outage = self.outages.of_connection();
        Node {
            address,
            connection: ManagedConnection::start(connector, outage, &self.runtime),
            in_flight: Semaphore::new(self.in_flight),
        }
    }
}

impl Node {
    pub(super) fn is_up(&self) -> bool {
        self.connection.if_up().is_some()
    }

    /// Sends commands together, and answers as [`connection::send`] does.
    pub(super) async fn send(&self, commands: &[&Cmd]) -> RedisResult<Value> {
        let mut connection = self.connection.connection().await?;
        let _permit = self.permit().await;
        self.checked(connection::send(&mut connection, commands).await)
    }

    /// Sends commands together, to the node to which their slot is being moved.
    pub(super) async fn send_asking(&self, commands: &[&Cmd]) -> RedisResult<Value> {
        let mut connection = self.connection.connection().await?;
        let _permit = self.permit().await;
        self.checked(connection::send_asking(&mut connection, commands).await)
    }

    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed, so this is always a permit.
        self.in_flight.acquire().await.ok()
    }

    /// Has the connection checked where it failed. The heartbeat finds a node that does not answer.
    fn checked(&self, answer: RedisResult<Value>) -> RedisResult<Value> {
        if let Err(error) = &answer
            && error.kind() == ErrorKind::Io
        {
            self.connection.doubt();
        }
        answer
    }
}
