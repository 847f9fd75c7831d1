//! The connections of a port: their number, their addresses, and which one is closed to make room for a new one.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{Limits, files, requests::Requests};

/// The most reserved connections of one address.
const RESERVED_PER_ADDRESS: usize = 2;

/// The pause before the next search, after a search found no connection to close.
const SEARCH_EVERY: Duration = Duration::from_millis(100);
/// The most addresses for which the search time is remembered.
const MOST_SEARCHED: usize = 1024;

/// All connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Table {
    limits: Limits,
    connections: Arc<Mutex<Connections>>,
}

#[derive(Default)]
struct Connections {
    next: u64,
    open: HashMap<u64, Connection>,
    per_address: HashMap<IpAddr, usize>,
    /// When the last search found no connection to close, per address (`None`: all addresses).
    searched: HashMap<Option<IpAddr>, Instant>,
    reserved: HashMap<u64, Option<IpAddr>>,
}

struct Connection {
    address: Option<IpAddr>,
    requests: Requests,
    given_up: Arc<Notify>,
}

impl Connections {
    fn remove(&mut self, number: u64) -> Option<Connection> {
        let connection = self.open.remove(&number)?;
        if let Some(address) = connection.address
            && let Some(count) = self.per_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
        Some(connection)
    }

    fn count(&self, address: Option<IpAddr>) -> usize {
        address.and_then(|address| self.per_address.get(&address).copied()).unwrap_or_default()
    }

    /// Closes the least important connection: the longest idle connection of the address with the most connections. If an address is
    /// given, only its connections count. Returns false if no connection can be closed.
    fn give_one_up(&mut self, of: Option<IpAddr>) -> bool {
        // A refused client may connect again at once, and a search visits every connection.
        if self.searched.get(&of).is_some_and(|searched| searched.elapsed() < SEARCH_EVERY) {
            return false;
        }
        let candidates = self.open.iter().filter(|(_, connection)| of.is_none() || connection.address == of);
        let candidates = candidates.filter_map(|(number, connection)| {
            let since = connection.requests.dispensable()?;
            Some((self.count(connection.address), std::cmp::Reverse(since), *number))
        });
        let Some((.., number)) = candidates.max() else {
            if self.searched.len() >= MOST_SEARCHED {
                self.searched.clear();
            }
            self.searched.insert(of, Instant::now());
            return false;
        };
        if let Some(connection) = self.remove(number) {
            connection.given_up.notify_one();
        }
        true
    }
}

impl Table {
    pub(super) fn new(limits: Limits) -> Self {
        let connections = files::most_connections(limits.connections);
        // One address alone can never fill the port.
        let connections_per_address = limits.connections_per_address.min(connections.div_ceil(2));
        Self {
            limits: Limits { connections, connections_per_address, ..limits },
            connections: Arc::default(),
        }
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection from this address. `None` if it must be closed.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Option<Entry> {
        let mut connections = self.connections();
        let over_share = connections.count(address) >= self.limits.connections_per_address;
        let full = connections.open.len() >= self.limits.connections;
        let reserved = (over_share && !connections.give_one_up(address))
            || (full && !over_share && !connections.give_one_up(None));
        if reserved {
            let its = connections.reserved.values().filter(|other| **other == address).count();
            let most = if address.is_some() { RESERVED_PER_ADDRESS } else { usize::MAX };
            if connections.reserved.len() >= self.limits.reserved || its >= most {
                return None;
            }
        }
        let (number, requests, given_up) = (connections.next, Requests::new(), Arc::new(Notify::new()));
        connections.next += 1;
        if reserved {
            connections.reserved.insert(number, address);
        } else {
            let connection =
                Connection { address, requests: requests.clone(), given_up: Arc::clone(&given_up) };
            connections.open.insert(number, connection);
            if let Some(address) = address {
                *connections.per_address.entry(address).or_default() += 1;
            }
        }
        drop(connections);
        Some(Entry { table: self.clone(), number, reserved, requests, given_up })
    }
}

/// The entry of a connection. Dropping it removes the connection.
pub(super) struct Entry {
    table: Table,
    number: u64,
    pub(super) reserved: bool,
    pub(super) requests: Requests,
    given_up: Arc<Notify>,
}

impl Entry {
    /// Waits until this connection must make room for another.
    pub(super) async fn given_up(&self) {
        self.given_up.notified().await;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut connections = self.table.connections();
        // A search may have closed it already.
        if connections.remove(self.number).is_none() {
            connections.reserved.remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;

    use super::*;
    use crate::testing::eventually;

    const ONE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const OTHER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    fn table() -> Table {
        let limits = Limits { connections: 4, connections_per_address: 2, reserved: 3, ..Limits::internal() };
        Table::new(limits)
    }

    async fn has_rested(entry: &Entry) {
        let rested = || std::future::ready(entry.requests.dispensable().map(drop));
        eventually("the connection has been without a request for a while", rested).await;
    }

    #[tokio::test]
    async fn a_new_connection_of_an_address_that_has_its_share_replaces_an_idle_one_of_it() {
        let table = table();
        let first = table.enter(ONE).expect("an entry");
        let open = first.requests.begin();
        let second = table.enter(ONE).expect("an entry");
        assert!(table.enter(ONE).expect("an entry").reserved, "one is busy, and one has only just come");
        let _other = table.enter(OTHER).expect("an entry");
        has_rested(&second).await;
        let third = table.enter(ONE).expect("an entry");
        second.given_up().await;
        let _third_open = third.requests.begin();
        assert!(table.enter(ONE).expect("an entry").reserved, "both are busy");
        drop((open, first));
        assert!(!table.enter(ONE).expect("an entry").reserved);
    }

    #[tokio::test]
    async fn a_full_port_closes_an_idle_connection_of_the_address_with_the_most() {
        let table = table();
        let single = table.enter(OTHER).expect("an entry");
        let _unknown = table.enter(None).expect("an entry");
        let many = [table.enter(ONE), table.enter(ONE)].map(|entry| entry.expect("an entry"));
        has_rested(&many[1]).await;
        let new = table.enter(None).expect("an entry");
        assert!(!new.reserved);
        many[0].given_up().await;
        assert!(poll!(pin!(single.given_up())).is_pending(), "another one was given up");
    }

    #[tokio::test]
    async fn a_port_whose_connections_are_all_busy_keeps_some_for_questions_after_its_health() {
        let table = table();
        let connections = [ONE, ONE, None, None].map(|from| table.enter(from).expect("an entry"));
        let open: Vec<_> = connections.iter().map(|entry| entry.requests.begin()).collect();
        let reserve: Vec<_> = (0..2).map(|_| table.enter(OTHER).expect("an entry")).collect();
        assert!(reserve.iter().all(|entry| entry.reserved));
        assert!(table.enter(OTHER).is_none(), "one address does not take all of the reserve");
        let _last = table.enter(None).expect("an entry");
        assert!(table.enter(None).is_none());
        drop((open, reserve, connections));
        assert!(!table.enter(OTHER).expect("an entry").reserved);
    }
}
