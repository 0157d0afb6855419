//! What a scrape shows beside the metrics made from records: connections, memory, configurations, certificates, servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use callgate_gateway::{Gate, Snapshot};
use callgate_identity::ForeignIssuer;
use callgate_transport::gauge::{ConnectionCounts, Connections};
use callgate_transport::upstream::{Room, lookups_failed};

/// Registers them with the recorder, which answers scrapes.
#[expect(clippy::cast_precision_loss, reason = "gauges; exact below 2^52")]
pub(super) fn register(gate: &Arc<Gate>, connections: &Arc<Connections>) {
    let recorder = &gate.recorder;
    let counts = |read: fn(ConnectionCounts) -> u64| {
        let connections = Arc::clone(connections);
        move || read(connections.counts())
    };
    let open = counts(|counts| counts.open as u64);
    recorder.register_gauge("callgate_connections", "Client connections open now.", move || open() as f64);
    let open_max = counts(|counts| counts.open_max as u64);
    let help = "Client connections that there may be: a bound of the gate, or half of what open files leave room for.";
    recorder.register_gauge("callgate_connections_max", help, move || open_max() as f64);
    let name = "callgate_connections_refused_total";
    let help = "Connections turned away: too many in all, or from their address, or no trusted proxy relays them.";
    recorder.register_counter_with(name, help, &[("bound", "all")], counts(|counts| counts.refused_all));
    recorder.register_counter_with(name, help, &[("bound", "address")], counts(|counts| counts.refused_per_ip));
    recorder.register_counter_with(name, help, &[("bound", "relay")], counts(|counts| counts.unrelayed));
    let name = "callgate_accept_failures_total";
    let help = "Times that the kernel had no connection to give, as when file descriptors are used up.";
    recorder.register_counter_with(name, help, &[], counts(|counts| counts.accept_failures));
    let used = Arc::downgrade(gate);
    let name = "callgate_memory_bytes";
    let help = "Memory of this process, files mapped into it left out.";
    // Weak: the recorder outlives nothing that holds the recorder.
    recorder.register_gauge(name, help, move || used.upgrade().map_or(0, |gate| gate.memory.used()) as f64);
    let bound = Arc::downgrade(gate);
    let help = "Memory past which new calls are refused; 0 where nothing bounds it.";
    let read = move || bound.upgrade().and_then(|gate| gate.memory.bound()).unwrap_or(0) as f64;
    recorder.register_gauge("callgate_memory_max_bytes", help, read);
    let held = Arc::downgrade(gate);
    recorder.register_gauge("callgate_configurations", "Configurations in memory; 1 when idle.", move || {
        held.upgrade().map_or(0, |gate| gate.snapshots()) as f64
    });
    let read = Arc::downgrade(gate);
    let help = "When a listener's certificate ends, Unix seconds.";
    recorder.register_gauges("callgate_certificate_ends_seconds", help, &["listener", "name"], move || {
        read.upgrade().map_or_else(Vec::new, |gate| certificates(&gate.snapshot()))
    });
    let name = "callgate_upstream_connections";
    rooms(gate, name, "Connections to a server with `max_connections`, open or being opened.", Room::taken);
    rooms(gate, "callgate_upstream_connections_max", "How many there may be.", Room::max);
    rooms(gate, "callgate_upstream_calls_waiting", "Calls that wait for one of them.", Room::waiting);
    let name = "callgate_name_lookups_failed_total";
    let help = "Look-ups of upstream servers' names that failed; the addresses of the last good one serve meanwhile.";
    recorder.register_counter_with(name, help, &[], lookups_failed);
    let read = Arc::downgrade(gate);
    let help = "1 for a server that gets calls; 0 while it is left out, by failed calls or by health checks.";
    recorder.register_gauges("callgate_upstream_healthy", help, &["api", "server"], move || {
        read.upgrade().map_or_else(Vec::new, |gate| servers(&gate.snapshot()))
    });
    issuers(gate);
    let read = Arc::downgrade(gate);
    let help = "When the certificate ends that an API's servers are shown, Unix seconds.";
    recorder.register_gauges("callgate_upstream_certificate_ends_seconds", help, &["api", "name"], move || {
        read.upgrade().map_or_else(Vec::new, |gate| own_certificates(&gate.snapshot()))
    });
}

/// One line for each server that may have only so many connections.
fn rooms(gate: &Arc<Gate>, name: &'static str, help: &'static str, read: fn(&Room) -> u32) {
    let held = Arc::downgrade(gate);
    gate.recorder.register_gauges(name, help, &["api", "server"], move || {
        let snapshot = held.upgrade().map(|gate| gate.snapshot());
        let rooms = snapshot.iter().flat_map(|snapshot| &snapshot.rooms);
        rooms.map(|(api, server, room)| (vec![api.to_string(), server.to_string()], f64::from(read(room)))).collect()
    });
}

/// Of other issuers: whether their keys can be had, and how old those that serve are.
#[expect(clippy::cast_precision_loss, reason = "exact for 285 million years, and for as many keys")]
fn issuers(gate: &Arc<Gate>) {
    type Read = fn(&ForeignIssuer) -> Option<f64>;
    let register = |name: &str, help: &str, read: Read| {
        let held = Arc::downgrade(gate);
        gate.recorder.register_gauges(name, help, &["issuer"], move || {
            let snapshot = held.upgrade().map(|gate| gate.snapshot());
            let known = snapshot.iter().flat_map(|snapshot| &snapshot.issuers);
            known.filter_map(|known| Some((vec![known.setting.url.clone()], read(&known.issuer)?))).collect()
        });
    };
    let help = "Keys of another issuer that tokens are verified by; 0 while it has not been seen.";
    register("callgate_issuer_keys", help, |issuer| Some(issuer.described().len() as f64));
    let help = "1 if the last look at another issuer's keys found them, else 0.";
    register("callgate_issuer_up", help, |issuer| Some(f64::from(u8::from(issuer.seen().fault.is_none()))));
    let help = "When another issuer's keys were seen last, Unix seconds.";
    register("callgate_issuer_seen_seconds", help, |issuer| issuer.seen().good_ms.map(|ms| (ms / 1_000) as f64));
}

/// Which servers get calls.
fn servers(snapshot: &Snapshot) -> Vec<(Vec<String>, f64)> {
    let members = snapshot.hosts.apis().flat_map(|api| api.servers.iter().map(|member| (&*api.name, member)));
    let stand = members.map(|(api, member)| {
        (vec![api.to_owned(), (*member.name).to_owned()], f64::from(u8::from(!member.standing.is_left_out())))
    });
    let mut stand: Vec<_> = stand.collect();
    stand.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    stand
}

/// When each certificate ends. One line for each name: of an RSA and an ECDSA certificate for the same one, the moment that
/// comes first.
#[expect(clippy::cast_precision_loss, reason = "exact for 285 million years")]
fn certificates(snapshot: &Snapshot) -> Vec<(Vec<String>, f64)> {
    let mut ends = BTreeMap::new();
    let listeners = snapshot.listeners.iter().map(|listener| (&*listener.name, listener.certificates.as_slice()));
    let admin = snapshot.admin.iter().map(|tls| ("admin", tls.certificates.as_slice()));
    for (listener, certificates) in listeners.chain(admin) {
        for certificate in certificates {
            let not_after_s = certificate.validity.not_after_s;
            let first = ends.entry(vec![listener.to_owned(), certificate.name.clone()]).or_insert(not_after_s);
            *first = not_after_s.min(*first);
        }
    }
    ends.into_iter().map(|(labels, moment_s)| (labels, moment_s as f64)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "exact for 285 million years")]
fn own_certificates(snapshot: &Snapshot) -> Vec<(Vec<String>, f64)> {
    let ends = snapshot.own_certificates.iter().map(|(api, certificate)| {
        (vec![api.to_string(), certificate.name.clone()], certificate.validity.not_after_s as f64)
    });
    ends.collect()
}
