//! Clients that hold connections and do little with them. They get what they get; the others must not feel them.

use std::time::Duration;

use callgate_testkit::RawClient;

use crate::callers::Work;
use crate::ground::Ground;
use crate::random::Random;
use crate::tally::Tally;

/// How many there are of each kind.
const EACH: u64 = 10;
const STEP: Duration = Duration::from_millis(100);

/// All of them.
pub(crate) fn all() -> Vec<Work> {
    let mut work: Vec<Work> = Vec::new();
    for number in 0..EACH {
        work.push(Box::new(move |ground, tally| crowd(ground, tally, number, slow_head)));
        work.push(Box::new(move |ground, tally| crowd(ground, tally, number, slow_reader)));
        work.push(Box::new(move |ground, tally| crowd(ground, tally, number, gone_in_the_middle)));
    }
    work
}

fn crowd(ground: &Ground, tally: &Tally, number: u64, one: fn(&Ground, RawClient, u64)) {
    let mut random = Random(number);
    while !ground.over.after(STEP) {
        // A gate that takes no connection would be seen by everybody else.
        if let Ok(client) = RawClient::try_connect(ground.clear) {
            one(ground, client, random.below(40));
            tally.done("slow client");
        }
    }
}

/// A head that comes a byte at a time, and mostly never ends.
fn slow_head(ground: &Ground, mut client: RawClient, steps: u64) {
    let head = b"GET /crowd/echo HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for byte in head.iter().take(usize::try_from(steps).unwrap_or(0)) {
        if client.try_send(&[*byte]).is_err() || ground.over.after(STEP) {
            return;
        }
    }
}

/// Asks for much and reads nothing.
fn slow_reader(ground: &Ground, mut client: RawClient, steps: u64) {
    client.send("GET /crowd/echo HTTP/1.1\r\nHost: localhost\r\nX-Soak: large\r\n\r\n");
    for _ in 0..steps {
        if ground.over.after(STEP) {
            return;
        }
    }
}

/// Announces a body, sends a part of it, and breaks the connection.
fn gone_in_the_middle(ground: &Ground, mut client: RawClient, steps: u64) {
    client.send("POST /crowd/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
    for _ in 0..steps / 4 {
        if client.try_send(&[b'x'; 1000]).is_err() || ground.over.after(STEP) {
            return;
        }
    }
    client.reset();
}
