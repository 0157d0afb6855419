//! Connections that a balancer relays: whom they are for is in their PROXY header.

use callgate_transport::Timing;
use callgate_transport::greet;
use callgate_transport::listen;
use callgate_wire::proxy::Relayed;

use super::Door;
use crate::worker::Worker;

/// Takes the PROXY header from a connection that begins with one, and puts the client in the place of its peer. False when
/// the connection is to be closed: it comes from nobody trusted, or says nothing of whom it is relayed for. Serving it as
/// the balancer's own would let whoever reaches this port past the balancer pass for it.
pub(super) async fn unfold(arrival: &mut listen::Arrival, door: &mut Door, worker: &Worker) -> bool {
    let proxy = arrival.peer.ip();
    let is_trusted = worker.snapshot().trusted.as_ref().is_some_and(|trusted| trusted.proxies.contains(proxy));
    if !is_trusted {
        closed(arrival, door, "it is not from one of `trusted_proxies.ips`");
        return false;
    }
    match greet::relayed(&mut arrival.socket, Timing::default().handshake_max).await {
        Ok(Relayed::For(client)) => arrival.peer.set_ip(client),
        Ok(Relayed::Itself) => {}
        Err(error) => {
            closed(arrival, door, &error.to_string());
            return false;
        }
    }
    door.relay = Some(proxy);
    if arrival.permit.name(arrival.peer.ip()).is_err() {
        if !door.tls {
            listen::turn_away(&arrival.socket);
        }
        return false;
    }
    true
}

/// Told at once, because a balancer that sends no header loses every call; and ever more seldom, because it goes on.
fn closed(arrival: &listen::Arrival, door: &Door, why: &str) {
    let so_far = arrival.permit.count_unrelayed();
    if so_far.is_power_of_two() {
        tracing::warn!(
            listener = %door.name, peer = %arrival.peer.ip(), so_far,
            "a connection to a listener with `proxy_protocol` was closed: {why}"
        );
    }
}
