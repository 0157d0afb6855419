//! WebSockets: sessions that talk until they have said enough, or until the gate ends them with a Close that says why. One that
//! is cut without a Close has failed.

use std::time::{Duration, Instant};

use callgate_testkit::{Call, RawClient, WebsocketFrame};

use crate::callers::{Work, connect};
use crate::ground::Ground;
use crate::random::Random;
use crate::tally::Tally;

/// Between two messages of a session.
const REST: Duration = Duration::from_millis(40);
/// Messages of the longest session: it lives through an upgrade or two.
const MESSAGES_MAX: u64 = 400;
/// Bytes of the longest message.
const MESSAGE_MAX: u64 = 60_000;
/// How long a session whose key is revoked may go on. The gate looks every second; the rest is for a busy machine.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// RFC 6455 section 7.4.1; the third is what the gate says of a revoked key.
const DONE: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const POLICY: u16 = 1008;

/// Everybody who has a session.
pub(crate) fn all() -> Vec<Work> {
    (0..4)
        .map(|number| Box::new(move |ground: &Ground, tally: &Tally| sessions(ground, tally, number)) as Work)
        .collect()
}

/// Opens one with this key.
pub(crate) fn open(ground: &Ground, key: &str, tls: bool) -> Result<RawClient, String> {
    let call = Call::new(ground.clear, "GET /live/room").field("X-API-Key", key).websocket();
    let mut client = connect(ground, tls)?;
    match client.send(call.bytes()).try_answer() {
        Ok(answer) if answer.status == 101 => Ok(client),
        Ok(answer) => Err(answer.to_string()),
        Err(fault) => Err(format!("no answer: {fault:?}")),
    }
}

fn sessions(ground: &Ground, tally: &Tally, number: u64) {
    let mut random = Random(number);
    for turn in 0_u64.. {
        if ground.over.after(REST) {
            return;
        }
        let mut client = match open(ground, &ground.key, turn % 2 == 0) {
            Ok(client) => client,
            Err(error) => {
                tally.failed("websocket", error);
                continue;
            }
        };
        match talk(ground, tally, &mut client, &mut random, &format!("{number}-{turn}")) {
            Ok(end) => tally.done(end),
            Err(error) => tally.failed("websocket", error),
        }
    }
}

/// Messages, each of which must come back, until all are said.
fn talk(
    ground: &Ground,
    tally: &Tally,
    client: &mut RawClient,
    random: &mut Random,
    id: &str,
) -> Result<&'static str, String> {
    for number in 0..random.below(MESSAGES_MAX) {
        if ground.over.after(REST) {
            break;
        }
        let size = if number % 8 == 0 { random.below(MESSAGE_MAX) } else { 0 };
        let text = format!("{id} {number} {}", "x".repeat(usize::try_from(size).unwrap_or(0)));
        let start = Instant::now();
        match heard(client.send_frame(WebsocketFrame::text(&text)))? {
            Heard::Text(back) if back == text => tally.passed("websocket message", Some(start.elapsed())),
            Heard::Text(_) => return Err(format!("message {id} {number} came back as another one")),
            Heard::Close(GOING_AWAY) => return gone(client, GOING_AWAY),
            Heard::Close(code) => return Err(format!("closed with {code} at message {id} {number}")),
        }
    }
    match heard(client.send_frame(WebsocketFrame::close(DONE)))? {
        Heard::Close(DONE) => Ok("websocket"),
        // The gate had said so in the same moment.
        Heard::Close(GOING_AWAY) => Ok("websocket told to move"),
        other => Err(format!("its Close was answered with {other:?}")),
    }
}

fn gone(client: &mut RawClient, code: u16) -> Result<&'static str, String> {
    client.send_frame(WebsocketFrame::close(code));
    match client.try_read_exactly(1) {
        Ok(_) => Err("something followed the Close".to_owned()),
        Err(_) => Ok("websocket told to move"),
    }
}

/// A session whose key was revoked just now ends, because of that or because of an upgrade.
pub(crate) fn ends(tally: &Tally, client: &mut RawClient) {
    let start = Instant::now();
    match heard(client) {
        Ok(Heard::Close(POLICY | GOING_AWAY)) if start.elapsed() < ENDS_WITHIN => {
            tally.done("websocket of a revoked key");
        }
        other => tally.failed("websocket", format_args!("{:?} after its key was revoked: {other:?}", start.elapsed())),
    }
}

#[derive(Debug)]
enum Heard {
    Text(String),
    Close(u16),
}

fn heard(client: &mut RawClient) -> Result<Heard, String> {
    let frame = client.try_frame().map_err(|fault| format!("cut without a Close: {fault:?}"))?;
    match frame.first {
        0x81 => Ok(Heard::Text(String::from_utf8_lossy(&frame.payload).into_owned())),
        0x88 => Ok(Heard::Close(frame.closing().0)),
        other => Err(format!("a frame that begins with {other:#x}")),
    }
}
