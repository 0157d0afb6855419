//! How many connections there are, in all and per address.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use callgate_model::bounds;

/// Maps of addresses; a power of two, so that a hash picks one by its low bits. Accepting takes one of these locks for
/// some tens of nanoseconds; calls take none.
const SHARDS: usize = 64;

/// The connections of all listeners and workers. Shared by reference counting.
#[derive(Debug)]
pub struct Connections {
    bounds: ConnectionBounds,
    all: AtomicUsize,
    by_address: Vec<Mutex<HashMap<u128, usize>>>,
    /// The seed is the process's own: who could choose colliding addresses could slow accepting down.
    seed: RandomState,
    counts: Counts,
}

/// How many connections there may be at one time.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionBounds {
    /// In all.
    pub all_max: usize,
    /// From one IPv4 address or one IPv6 /64.
    pub per_ip_max: usize,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    refused_all: AtomicU64,
    refused_per_ip: AtomicU64,
    accept_failures: AtomicU64,
    unrelayed: AtomicU64,
}

/// What has been counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionCounts {
    /// Connections open now.
    pub open: usize,
    /// And how many there may be.
    pub open_max: usize,
    /// Let in.
    pub accepted: u64,
    /// Turned away because there were too many in all.
    pub refused_all: u64,
    /// Turned away because there were too many from their address.
    pub refused_per_ip: u64,
    /// The kernel had none to give (out of file descriptors, for example).
    pub accept_failures: u64,
    /// Closed because no trusted proxy said whom they are relayed for, where one must.
    pub unrelayed: u64,
}

/// Too many connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// In all.
    #[error("there are too many connections")]
    All,
    /// From one address.
    #[error("there are too many connections from this address")]
    PerIp,
}

/// The right to one connection, while it lives.
#[derive(Debug)]
pub struct Permit {
    connections: Arc<Connections>,
    /// None as long as it is not known for whom the connection is relayed.
    key: Option<u128>,
}

// === impl Connections ===

impl Connections {
    /// None so far.
    #[must_use]
    pub fn new(bounds: ConnectionBounds) -> Arc<Connections> {
        Arc::new(Connections {
            bounds,
            all: AtomicUsize::new(0),
            by_address: (0..SHARDS).map(|_| Mutex::default()).collect(),
            seed: RandomState::new(),
            counts: Counts::default(),
        })
    }

    /// Counts a connection in, or says why it must be turned away.
    ///
    /// # Errors
    /// [`Full`].
    pub fn enter(self: &Arc<Self>, ip: IpAddr) -> Result<Permit, Full> {
        let mut permit = self.enter_relayed()?;
        permit.name(ip)?;
        Ok(permit)
    }

    /// Counts in a connection that a proxy relays, for whom is not known yet: [`Permit::name`] counts it for an address.
    ///
    /// # Errors
    /// [`Full::All`].
    pub fn enter_relayed(self: &Arc<Self>) -> Result<Permit, Full> {
        if self.all.fetch_add(1, Ordering::Relaxed) >= self.bounds.all_max {
            self.all.fetch_sub(1, Ordering::Relaxed);
            self.counts.refused_all.fetch_add(1, Ordering::Relaxed);
            return Err(Full::All);
        }
        Ok(Permit { connections: self.clone(), key: None })
    }

    /// The kernel failed to give a connection.
    pub fn count_accept_failure(&self) {
        self.counts.accept_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// What has been counted.
    #[must_use]
    pub fn counts(&self) -> ConnectionCounts {
        ConnectionCounts {
            open: self.all.load(Ordering::Relaxed),
            open_max: self.bounds.all_max,
            accepted: self.counts.accepted.load(Ordering::Relaxed),
            refused_all: self.counts.refused_all.load(Ordering::Relaxed),
            refused_per_ip: self.counts.refused_per_ip.load(Ordering::Relaxed),
            accept_failures: self.counts.accept_failures.load(Ordering::Relaxed),
            unrelayed: self.counts.unrelayed.load(Ordering::Relaxed),
        }
    }

    /// Changes an address's count; addresses without connections are not remembered, so the map is as small as the
    /// connections are few.
    fn with_count<T: Default>(&self, key: u128, change: impl FnOnce(&mut usize) -> T) -> T {
        let shard = usize::try_from(self.seed.hash_one(key) % SHARDS as u64).unwrap_or_default();
        let Some(shard) = self.by_address.get(shard) else { return T::default() };
        // A poisoned count is still a count: nothing in there can panic half-way.
        let mut counts = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key).or_insert(0);
        let result = change(count);
        if *count == 0 {
            counts.remove(&key);
        }
        result
    }
}

/// An IPv4 address (also one written as IPv6) by itself; of an IPv6 address the /64, which one subscriber has to himself.
fn key(ip: IpAddr) -> u128 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        // Never an IPv4 key: the low 64 bits are set.
        IpAddr::V6(ip) => ip.to_bits() | u128::from(u64::MAX),
    }
}

// === impl ConnectionBounds ===

impl Default for ConnectionBounds {
    fn default() -> ConnectionBounds {
        ConnectionBounds { all_max: bounds::CONNECTIONS_MAX, per_ip_max: bounds::CONNECTIONS_PER_IP_MAX }
    }
}

impl ConnectionBounds {
    /// What this process's limit of open files has room for: past it, clients would wait in the kernel's queue for an
    /// answer that never comes, and calls would find no descriptor for their upstream.
    #[must_use]
    pub fn of_this_process() -> ConnectionBounds {
        // None where there is no limit.
        let files_max = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        ConnectionBounds::within(files_max.unwrap_or(u64::MAX))
    }

    fn within(files_max: u64) -> ConnectionBounds {
        let room = files_max.saturating_sub(bounds::FILES_RESERVED) / 2;
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let all_max = room.clamp(bounds::CONNECTIONS_MIN, bounds::CONNECTIONS_MAX);
        ConnectionBounds { all_max, ..ConnectionBounds::default() }
    }
}

// === impl Permit ===

impl Permit {
    /// Counts that the connection is closed because nobody trusted said whom it is relayed for, and gives their number.
    #[must_use]
    pub fn count_unrelayed(&self) -> u64 {
        self.connections.counts.unrelayed.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Says for whom the connection is, once.
    ///
    /// # Errors
    /// [`Full::PerIp`]; the connection is to be closed then.
    pub fn name(&mut self, ip: IpAddr) -> Result<(), Full> {
        let key = key(ip);
        let Connections { bounds, counts, .. } = &*self.connections;
        let entered = self.connections.with_count(key, |count| {
            let free = *count < bounds.per_ip_max;
            *count += usize::from(free);
            free
        });
        if !entered {
            counts.refused_per_ip.fetch_add(1, Ordering::Relaxed);
            return Err(Full::PerIp);
        }
        counts.accepted.fetch_add(1, Ordering::Relaxed);
        self.key = Some(key);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.connections.with_count(key, |count| *count = count.saturating_sub(1));
        }
        self.connections.all.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn bounds_in_all_and_per_address_and_gives_back() {
        let connections = Connections::new(ConnectionBounds { all_max: 3, per_ip_max: 2 });
        let one = connections.enter(ip("192.0.2.1")).unwrap();
        let _two = connections.enter(ip("::ffff:192.0.2.1")).unwrap();
        assert_eq!(connections.enter(ip("192.0.2.1")).unwrap_err(), Full::PerIp);
        let _three = connections.enter(ip("192.0.2.2")).unwrap();
        assert_eq!(connections.enter(ip("192.0.2.3")).unwrap_err(), Full::All);
        drop(one);
        let _four = connections.enter(ip("192.0.2.1")).unwrap();
        let counts = connections.counts();
        assert_eq!((counts.open, counts.accepted, counts.refused_all, counts.refused_per_ip), (3, 4, 1, 1));
    }

    #[test]
    fn open_files_bound_connections() {
        let check = |files: u64, expect: usize| assert_eq!(ConnectionBounds::within(files).all_max, expect, "{files}");
        check(1024, 416);
        check(0, 16);
        check(193, 16);
        check(65_536, 32_672);
        check(1 << 20, bounds::CONNECTIONS_MAX);
        check(u64::MAX, bounds::CONNECTIONS_MAX);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let connections = Connections::new(ConnectionBounds { all_max: 10, per_ip_max: 1 });
        let _one = connections.enter(ip("2001:db8:1:2::1")).unwrap();
        assert_eq!(connections.enter(ip("2001:db8:1:2:ffff::9")).unwrap_err(), Full::PerIp);
        connections.enter(ip("2001:db8:1:3::1")).unwrap();
    }

    #[test]
    fn a_relayed_connection_counts_for_whom_it_is_relayed() {
        let connections = Connections::new(ConnectionBounds { all_max: 3, per_ip_max: 1 });
        let mut relayed: Vec<Permit> = (0..3).map(|_| connections.enter_relayed().unwrap()).collect();
        assert_eq!(connections.enter_relayed().unwrap_err(), Full::All);
        relayed[0].name(ip("203.0.113.9")).unwrap();
        assert_eq!(relayed[1].name(ip("203.0.113.9")).unwrap_err(), Full::PerIp);
        relayed[2].name(ip("203.0.113.10")).unwrap();
        drop(relayed);
        assert_eq!(connections.counts().open, 0);
        assert!(connections.by_address.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }

    #[test]
    fn remembers_no_address_without_connections() {
        let connections = Connections::new(ConnectionBounds::default());
        for last in 0..=255 {
            drop(connections.enter(IpAddr::from([198, 51, 100, last])).unwrap());
        }
        assert!(connections.by_address.iter().all(|shard| shard.lock().unwrap().is_empty()));
        assert_eq!(connections.counts().open, 0);
    }
}
