//! A plane that stops, whatever is on its way to it.

use std::sync::mpsc;
use std::time::Duration;

use callgate_gateway::plane::{Bound, Patience, Plane};
use callgate_testkit::{RawClient, ScriptedUpstream};
use callgate_transport::listen;

use crate::house::shop;

/// The client's connection was completed before the plane was told to stop, whether or not a worker had come to take it: it is
/// served, and not reset because the plane had no other connection to wait for.
#[test]
fn a_connection_that_was_completed_is_served() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public");
    let call = &house.call("GET /shop/a").bytes();
    for round in 0..50 {
        let listener = listen::bind("127.0.0.1:0".parse().unwrap(), false).unwrap();
        let address = listener.address();
        let (gives, takes) = mpsc::channel::<RawClient>();
        std::thread::scope(|scope| {
            let heard = scope.spawn(move || takes.recv().unwrap().send(call).try_answer());
            let plane = Plane::start(&house.gate, vec![Bound { listener, index: 0, tls: false }], 1, 7).unwrap();
            gives.send(RawClient::connect(address)).unwrap();
            plane.stop(Patience { within: Duration::from_secs(10), leaves_idle: true });
            let answer = heard.join().unwrap();
            // By `Connection: close` or not: its call may have been answered before the plane was told.
            assert!(answer.as_ref().is_ok_and(|answer| answer.status == 200), "round {round}: {answer:?}");
        });
    }
}
