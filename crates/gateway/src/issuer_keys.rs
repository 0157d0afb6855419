//! The keys of other issuers: fetched by one task for each, on the runtime that [`follow`] is called on, and never by a call.
//!
//! They are looked at when the gate starts, again before they are too old, and when a token names one that is not known. For
//! the last reason only so often as [`Turns`] allows: anybody can write a token that names any key. What an issuer that is
//! down, slow or out of its mind answers changes nothing: the last good keys serve (decision 0076).

mod look;
mod turns;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use callgate_config::KnownIssuer;
use callgate_identity::foreign::ForeignIssuer;
use callgate_model::bounds;
use rustls::ClientConfig;
use tokio::task::AbortHandle;
use tokio::time::Instant;

pub use look::{Found, Look};
use turns::Turns;

use crate::Gate;
use crate::snapshot::{CompiledIssuer, Snapshot};

/// After a look that found nothing; each time after that twice as long.
const AGAIN_AFTER_MIN: Duration = Duration::from_secs(1);
/// The longest of these.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(60);

/// What a keeper asks, and how: taken up by the next look.
type Target = Arc<Mutex<(KnownIssuer, Option<Arc<ClientConfig>>)>>;

/// A task that looks after one issuer, until this is dropped.
struct Keeper {
    issuer: Arc<ForeignIssuer>,
    target: Target,
    task: AbortHandle,
}

/// Looks after the keys of every issuer that the configuration names, from reload to reload. Never ends by itself.
pub async fn follow(gate: Arc<Gate>) {
    let mut reloads = gate.reloads();
    let mut keepers: HashMap<usize, Keeper> = HashMap::new();
    loop {
        keepers = take(&gate, &gate.snapshot(), keepers);
        if reloads.changed().await.is_err() {
            return;
        }
    }
}

/// Begins with those that are new, and ends with those that are not named any more.
fn take(gate: &Arc<Gate>, snapshot: &Snapshot, mut before: HashMap<usize, Keeper>) -> HashMap<usize, Keeper> {
    let keep = |known: &CompiledIssuer| {
        let place = Arc::as_ptr(&known.issuer).addr();
        let asked = (known.setting.clone(), known.tls.clone());
        let keeper = match before.remove(&place) {
            Some(keeper) => {
                *keeper.target.lock().unwrap_or_else(PoisonError::into_inner) = asked;
                keeper
            }
            None => {
                let (issuer, target) = (Arc::clone(&known.issuer), Arc::new(Mutex::new(asked)));
                let keeping = keep(Arc::clone(gate), Arc::clone(&issuer), Arc::clone(&target));
                Keeper { issuer, target, task: tokio::spawn(keeping).abort_handle() }
            }
        };
        (place, keeper)
    };
    snapshot.issuers.iter().map(keep).collect()
}

/// Looks after one issuer.
async fn keep(gate: Arc<Gate>, issuer: Arc<ForeignIssuer>, target: Target) {
    let mut turns = Turns::new(Instant::now());
    let mut look = Look::default();
    let mut failed: u32 = 0;
    let mut good = Instant::now();
    loop {
        issuer.begin_look();
        let (setting, tls) = target.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found = look.make(&setting, tls).await;
        let now = Instant::now();
        let due = match &found {
            Ok(found) => {
                good = now;
                now + before_the_end(found.fresh)
            }
            Err(_) => now + AGAIN_AFTER_MIN.saturating_mul(1 << failed.min(10)).min(AGAIN_AFTER_MAX),
        };
        tell(&issuer, &found, failed);
        failed = if found.is_ok() { 0 } else { failed.saturating_add(1) };
        if now.duration_since(good) >= bounds::ISSUER_KEYS_STALE_MAX && issuer.forget_keys() {
            tracing::error!(
                issuer = &*issuer.url,
                "its keys were last seen too long ago; its tokens are not taken any more"
            );
        }
        let found = found.map(|found| (found.keys, found.place));
        if let Some((added, gone)) = issuer.end_look(found, gate.clock.unix_ms(), turns.next(now)) {
            tracing::info!(issuer = &*issuer.url, "keys of an issuer: +{added} −{gone}");
        }
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            () = issuer.wanted() => {
                let turn = turns.next(Instant::now());
                tokio::time::sleep_until(turn).await;
                turns.take(Instant::now());
            }
        }
    }
}

/// When keys that are good for so long are looked at again: a while before, and not all gates at one moment.
fn before_the_end(fresh: Option<Duration>) -> Duration {
    let fresh = fresh.unwrap_or(bounds::ISSUER_KEYS_FRESH_DEFAULT);
    let fresh = fresh.clamp(bounds::ISSUER_KEYS_FRESH_MIN, bounds::ISSUER_KEYS_FRESH_MAX);
    let bits = RandomState::new().hash_one(0_u8);
    fresh * 3 / 4 + fresh.mul_f64(f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX) / 8.0)
}

/// Says what changed: the first of failures in a row, and their end.
fn tell(issuer: &ForeignIssuer, found: &Result<Found, String>, failed: u32) {
    let url = &*issuer.url;
    match found {
        Err(fault) if failed == 0 => tracing::warn!(issuer = url, "the keys of an issuer are not found: {fault}"),
        Ok(_) if failed > 0 => tracing::info!(issuer = url, "the keys of an issuer are found again"),
        _ => {}
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Keeper({:?})", self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_looked_at_before_they_end() {
        let check = |fresh: Option<u64>, least: u64, most: u64| {
            let due = before_the_end(fresh.map(Duration::from_secs)).as_secs();
            assert!((least..=most).contains(&due), "{fresh:?}: {due}");
        };
        check(None, 450, 525);
        check(Some(0), 45, 53);
        check(Some(300), 225, 263);
        check(Some(1 << 30), 2_700, 3_150);
    }
}
