//! The nodes of a Cluster, and which of them has which slot.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::address::Address;
use super::node::{Node, NodeSettings};
use super::slots::{SLOTS, SlotRange};

/// The nodes that have slots, and those that commands were redirected to.
///
/// No lock is held while anything waits. A node connects in the background, so that one that is
/// down delays no other.
pub(super) struct ClusterMap {
    pub(super) settings: NodeSettings,
    state: RwLock<State>,
}

struct State {
    nodes: HashMap<Address, Arc<Node>>,
    /// The node that has each slot.
    owners: Vec<Option<Arc<Node>>>,
}

impl ClusterMap {
    /// Creates a map without nodes.
    pub(super) fn new(settings: NodeSettings) -> Self {
        Self {
            settings,
            state: RwLock::new(State {
                nodes: HashMap::new(),
                owners: vec![None; SLOTS],
            }),
        }
    }

    /// Returns the node that has a slot, where one is known.
    pub(super) fn owner(&self, slot: usize) -> Option<Arc<Node>> {
        self.read().owners.get(slot)?.clone()
    }

    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        self.read().nodes.values().cloned().collect()
    }

    /// Returns the node at an address. Begins to connect to a new one.
    pub(super) fn node_at(&self, address: Address) -> Arc<Node> {
        if let Some(node) = self.read().nodes.get(&address) {
            return Arc::clone(node);
        }
        self.write().node_at(address, &self.settings)
    }

    /// Notes which node has a slot.
    pub(super) fn note(&self, slot: usize, node: &Arc<Node>) {
        if let Some(owner) = self.write().owners.get_mut(slot) {
            *owner = Some(Arc::clone(node));
        }
    }

    /// Takes over which nodes have which slots. Nodes that have none are dropped.
    pub(super) fn replace(&self, ranges: Vec<SlotRange>) {
        let mut state = self.write();
        let mut owners = vec![None; SLOTS];
        for range in ranges {
            let node = range
                .master
                .map(|address| state.node_at(address, &self.settings));
            if let Some(slots) = owners.get_mut(range.first..=range.last) {
                slots.fill(node);
            }
        }
        let owning: HashMap<_, _> = owners
            .iter()
            .flatten()
            .map(|node: &Arc<Node>| (node.address.clone(), Arc::clone(node)))
            .collect();
        state.owners = owners;
        let before = mem::replace(&mut state.nodes, owning);
        let left: Vec<_> = before
            .into_values()
            .filter(|node| !state.nodes.contains_key(&node.address))
            .collect();
        drop(state);
        for node in left {
            node.connection.leave();
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn node_at(&mut self, address: Address, settings: &NodeSettings) -> Arc<Node> {
        let node = self.nodes.entry(address);
        let node = node.or_insert_with_key(|address| Arc::new(settings.node(address.clone())));
        Arc::clone(node)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redis::{AsyncConnectionConfig, IntoConnectionInfo};
    use tokio::runtime::Handle;

    use super::*;
    use crate::store::event::store_observers::StoreObservers;
    use crate::store::redis::outages::Outages;
    use crate::store::redis::transport::Transport;

    fn address(port: u16) -> Address {
        Address {
            host: "127.0.0.1".to_owned(),
            port,
        }
    }

    fn range(first: usize, last: usize, port: Option<u16>) -> SlotRange {
        SlotRange {
            first,
            last,
            master: port.map(address),
        }
    }

    #[tokio::test]
    async fn nodes_stay_while_they_have_slots() {
        let map = ClusterMap::new(NodeSettings {
            server: "redis://127.0.0.1:1".into_connection_info().unwrap(),
            transport: Transport { tls: None },
            config: AsyncConnectionConfig::new(),
            limit: Duration::from_secs(1),
            in_flight: 1,
            queue: 1,
            outages: Outages::new(StoreObservers::default()),
            runtime: Handle::current(),
        });
        let port_of = |slot| map.owner(slot).map(|node| node.address.port);
        assert_eq!(port_of(0), None);
        map.replace(vec![
            range(0, 99, Some(1)),
            range(100, 199, Some(2)),
            range(200, SLOTS - 1, None),
        ]);
        let stays = map.owner(0).unwrap();
        assert_eq!([port_of(99), port_of(100)], [Some(1), Some(2)]);
        assert_eq!([port_of(200), port_of(SLOTS)], [None; 2]);

        // A redirection names a node that the map does not.
        let new = map.node_at(address(3));
        map.note(100, &new);
        assert_eq!([port_of(100), port_of(101)], [Some(3), Some(2)]);
        assert!(Arc::ptr_eq(&new, &map.node_at(address(3))));

        map.replace(vec![range(0, 0, Some(1)), range(300, 200, Some(4))]);
        assert!(Arc::ptr_eq(&stays, &map.owner(0).unwrap()));
        assert_eq!([port_of(1), port_of(100), port_of(250)], [None; 3]);
        assert_eq!(map.nodes().len(), 1);
    }
}
