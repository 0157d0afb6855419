//! What an operator does meanwhile: other settings, other certificates, keys made and revoked, a file with mistakes, another
//! process in the place of the one that serves.

use std::time::Duration;

use callgate_testkit::{Output, RawClient};

use crate::callers::Work;
use crate::ground::Ground;
use crate::sessions;
use crate::tally::Tally;

/// The gate takes a file half a second after its last change; a little more than that, so that each is taken.
const RELOAD_EVERY: Duration = Duration::from_millis(700);
/// Of so many changes one is a mistake, and one is a new certificate.
const MISTAKE_EVERY: u64 = 10;
const CERTIFICATE_EVERY: u64 = 8;
const UPGRADE_EVERY: Duration = Duration::from_secs(8);
/// Shares of the time in which there are no upgrades: one process must live long enough to see whether its memory grows.
const ONE_PROCESS: std::ops::Range<f64> = 0.34..0.9;

/// Everything that changes.
pub(crate) fn all() -> Vec<Work> {
    vec![Box::new(reloads), Box::new(revocations), Box::new(upgrades)]
}

fn reloads(ground: &Ground, tally: &Tally) {
    for change in 1_u64.. {
        if ground.over.after(RELOAD_EVERY) {
            return;
        }
        let mut yaml = ground.yaml(change);
        if change % MISTAKE_EVERY == 0 {
            // The last good one stays.
            yaml.push_str("  broken: { upstrem: here\n");
        }
        ground.gate().write(&yaml);
        tally.done("reload");
        if change % CERTIFICATE_EVERY == 0 {
            // Both files at different moments: a pair that does not fit is not taken.
            ground.authority.certificate(&["localhost"]).write(ground.gate().folder(), "cert");
            tally.done("certificate");
        }
    }
}

/// `serve --upgrade`, now and then by a file with a mistake: then the process that serves goes on.
fn upgrades(ground: &Ground, tally: &Tally) {
    while !ground.over.after(UPGRADE_EVERY) {
        if ONE_PROCESS.contains(&(tally.elapsed().as_secs_f64() / ground.lasts.as_secs_f64())) {
            continue;
        }
        match ground.upgrade() {
            Ok(()) => tally.done("upgrade"),
            // The mistake, told with its place, or half of a new pair.
            Err(said) if said.code == Some(1) && said.stderr.contains("callgate.yaml: 1 error") => {
                tally.done("upgrade by a file with a mistake");
            }
            Err(said) => tally.failed("upgrade", said),
        }
    }
}

/// A key works from the moment that it is told, and not from the moment that its revocation is. A WebSocket with it ends.
fn revocations(ground: &Ground, tally: &Tally) {
    while !ground.over.after(Duration::from_millis(300)) {
        let key = act(ground, &["keys", "create", "ada", "--json"]).json();
        let text = |name: &str| key.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        heard(ground, tally, &text("key"), "200");
        let session = sessions::open(ground, &text("key"), false);
        let revoked = act(ground, &["keys", "revoke", &text("id")]);
        if revoked.code != Some(0) {
            tally.failed("key", revoked);
            continue;
        }
        heard(ground, tally, &text("key"), "401 credential_revoked");
        match session {
            Ok(mut client) => sessions::ends(tally, &mut client),
            Err(error) => tally.failed("websocket", error),
        }
        tally.done("revocation");
    }
}

/// By the data folder, because the file has mistakes now and then.
fn act(ground: &Ground, words: &[&str]) -> Output {
    ground.gate().program_with(&[words, &["--data-dir", "callgate-data"]].concat())
}

fn heard(ground: &Ground, tally: &Tally, key: &str, expect: &str) {
    let call = format!("GET /acts/echo HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n");
    let answer = RawClient::try_connect(ground.clear).map(|mut client| client.send(call).try_answer());
    match answer {
        Ok(Ok(answer)) if answer.summary() == expect => tally.passed("key", None),
        Ok(Ok(answer)) => tally.failed("key", format_args!("expected {expect}: {answer}")),
        other => tally.failed("key", format_args!("expected {expect}: {other:?}")),
    }
}
