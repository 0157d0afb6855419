//! One issuer: its keys as they were seen last, and who waits for others.
//!
//! Who fetches keys is not here. Workers say that they met a key that nobody knows ([`ForeignIssuer::look_for`]); the keeper, one
//! task for each issuer, looks when it is time and tells what it found.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwapOption, Guard};
use callgate_model::{Profile, bounds};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use super::key_set::{IssuerKey, KeyMark, KeySet};

/// An issuer that is not this gate. Outlives configurations that leave it as it was.
pub struct ForeignIssuer {
    /// Its identifier, letter by letter as it stands in tokens.
    pub url: Arc<str>,
    /// Whose habits its tokens have.
    pub profile: Profile,
    /// None until it was seen for the first time, and after it was not seen for too long.
    keys: ArcSwapOption<SeenKeys>,
    looks: watch::Sender<Looks>,
    wanted: Notify,
    /// Keys that it was found not to have, and when: never looked at on the way of a good token.
    absent: Mutex<VecDeque<(Box<str>, Instant)>>,
    seen: Mutex<Seen>,
}

/// Its keys, with a number that changes when they do.
pub(super) struct SeenKeys {
    pub(super) number: u64,
    pub(super) set: KeySet,
}

/// How often it was looked at.
#[derive(Debug, Clone, Copy)]
struct Looks {
    begun: u64,
    ended: u64,
    /// From when on it may be looked at again for the sake of a token.
    next: Instant,
}

/// How an issuer stands, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Where its keys were found.
    pub key_set: Option<String>,
    /// When, Unix milliseconds.
    pub good_ms: Option<i64>,
    /// Looks that found keys, and looks that found none.
    pub looks: (u64, u64),
    /// Why the last look found none; nothing if it found some.
    pub fault: Option<String>,
}

/// What came of waiting for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookedFor {
    /// It is known now.
    Found,
    /// The issuer was asked, and does not have it.
    Absent,
    /// The issuer could not be asked in time.
    Unasked,
}

// === impl ForeignIssuer ===

impl ForeignIssuer {
    /// One that was not looked at yet.
    #[must_use]
    pub fn new(url: &str, profile: Profile) -> ForeignIssuer {
        ForeignIssuer {
            url: url.into(),
            profile,
            keys: ArcSwapOption::empty(),
            looks: watch::Sender::new(Looks { begun: 0, ended: 0, next: Instant::now() }),
            wanted: Notify::new(),
            absent: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    pub(super) fn keys(&self) -> Guard<Option<Arc<SeenKeys>>> {
        self.keys.load()
    }

    /// The number of its keys as they are; 0 while there are none.
    pub(super) fn number(&self) -> u64 {
        self.keys.load().as_ref().map_or(0, |keys| keys.number)
    }

    pub(super) fn has(&self, key: &KeyMark) -> bool {
        self.keys.load().as_ref().is_some_and(|keys| keys.set.has(key))
    }

    /// Its keys, for people: name, kind and algorithms of each.
    #[must_use]
    pub fn described(&self) -> Vec<(Option<String>, String, Vec<&'static str>)> {
        let keys = self.keys.load();
        let keys = keys.iter().flat_map(|keys| &keys.set.keys);
        let told = keys.map(|key| {
            let names = key.algorithms.iter().map(|algorithm| algorithm.name()).collect();
            (key.kid().map(str::to_owned), key.kind.clone(), names)
        });
        told.collect()
    }

    /// How it stands.
    #[must_use]
    pub fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// Whether it was asked for this key a short while ago and did not have it. Such a token is refused without another look.
    #[must_use]
    pub fn is_known_to_lack(&self, kid: Option<&str>) -> bool {
        let (kid, mut absent) = (kid.unwrap_or_default(), lock(&self.absent));
        absent.retain(|(_, when)| when.elapsed() < bounds::ISSUER_KEY_ABSENT_TIME);
        absent.iter().any(|(known, _)| **known == *kid)
    }

    /// Waits until the issuer was asked for this key; not longer than a call may wait, and not at all if it is not its time yet.
    pub async fn look_for(self: Arc<Self>, kid: Option<Box<str>>) -> LookedFor {
        let mut looks = self.looks.subscribe();
        let Looks { begun, next, .. } = *looks.borrow_and_update();
        let is_there = || self.keys.load().as_ref().is_some_and(|keys| keys.set.knows(kid.as_deref()));
        if is_there() {
            return LookedFor::Found;
        }
        self.wanted.notify_one();
        if next > Instant::now() + bounds::ISSUER_LOOK_WAIT_MAX {
            return LookedFor::Unasked;
        }
        let asked = async {
            // A look that is under way may have begun before the issuer had the key, so only the next one says that it has not.
            while looks.changed().await.is_ok() {
                let now = *looks.borrow_and_update();
                if is_there() {
                    return LookedFor::Found;
                }
                if now.ended > begun {
                    return if lock(&self.seen).fault.is_none() { LookedFor::Absent } else { LookedFor::Unasked };
                }
                self.wanted.notify_one();
            }
            LookedFor::Unasked
        };
        let found = timeout(bounds::ISSUER_LOOK_WAIT_MAX, asked).await.unwrap_or(LookedFor::Unasked);
        if found == LookedFor::Absent {
            let mut absent = lock(&self.absent);
            if absent.len() >= bounds::ISSUER_KEYS_ABSENT_MAX {
                absent.pop_front();
            }
            absent.push_back((kid.unwrap_or_default(), Instant::now()));
        }
        found
    }

    /// For the keeper: waits until a worker met a key that is not known.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// For the keeper: a look begins.
    pub fn begin_look(&self) {
        self.looks.send_modify(|looks| looks.begun += 1);
    }

    /// For the keeper: what a look found, and from when on the next may be made for the sake of a token. Tells which keys
    /// are new and which are gone, if that changed anything.
    pub fn end_look(
        &self,
        found: Result<(KeySet, String), String>,
        now_ms: i64,
        next: Instant,
    ) -> Option<(usize, usize)> {
        let changed = match found {
            Ok((set, place)) => {
                let mut seen = lock(&self.seen);
                (seen.key_set, seen.good_ms, seen.fault) = (Some(place), Some(now_ms), None);
                seen.looks.0 += 1;
                drop(seen);
                self.take(set)
            }
            Err(fault) => {
                let mut seen = lock(&self.seen);
                seen.fault = Some(fault);
                seen.looks.1 += 1;
                None
            }
        };
        // Whoever wished for this look has it now; whoever needs another one wishes again.
        std::pin::pin!(self.wanted.notified()).as_mut().enable();
        self.looks.send_modify(|looks| (looks.ended, looks.next) = (looks.begun, next));
        changed
    }

    /// For the keeper: nobody knows any more whether its keys are good. Whether there were any.
    pub fn forget_keys(&self) -> bool {
        self.keys.swap(None).is_some()
    }

    fn take(&self, set: KeySet) -> Option<(usize, usize)> {
        let before = self.keys.load_full();
        if before.as_ref().is_some_and(|before| before.set.is_same(&set)) {
            return None;
        }
        let lacks = |one: &KeySet, key: &IssuerKey| !one.has(key.mark());
        let nothing = KeySet::default();
        let old = before.as_ref().map_or(&nothing, |before| &before.set);
        let added = set.keys.iter().filter(|key| lacks(old, key)).count();
        let gone = old.keys.iter().filter(|key| lacks(&set, key)).count();
        let number = NUMBERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.keys.store(Some(Arc::new(SeenKeys { number, set })));
        lock(&self.absent).clear();
        Some((added, gone))
    }
}

/// Numbers of sets of keys, of all issuers.
static NUMBERS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

impl fmt::Debug for ForeignIssuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ForeignIssuer({})", self.url)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &[u8] =
        br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    fn issuer() -> Arc<ForeignIssuer> {
        Arc::new(ForeignIssuer::new("https://id.example.com", Profile::Rfc9068))
    }

    fn found() -> Result<(KeySet, String), String> {
        Ok((KeySet::read(SET, Profile::Rfc9068).unwrap(), "https://id.example.com/jwks".to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_hears_of_a_look_that_began_later() {
        let issuer = issuer();
        issuer.begin_look();
        let waiting = tokio::spawn(Arc::clone(&issuer).look_for(Some("b".into())));
        issuer.wanted().await;
        // This one may have been answered before there was such a key.
        issuer.end_look(found(), 1, Instant::now());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        issuer.begin_look();
        issuer.end_look(found(), 2, Instant::now());
        assert_eq!(waiting.await.unwrap(), LookedFor::Absent);
        assert!(issuer.is_known_to_lack(Some("b")) && !issuer.is_known_to_lack(Some("a")));
        tokio::time::advance(bounds::ISSUER_KEY_ABSENT_TIME).await;
        assert!(!issuer.is_known_to_lack(Some("b")), "it may be asked for again after a while");
        assert_eq!(Arc::clone(&issuer).look_for(Some("a".into())).await, LookedFor::Found);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_what_can_not_come() {
        let issuer = issuer();
        issuer.begin_look();
        issuer.end_look(Err("is down".to_owned()), 1, Instant::now() + bounds::ISSUER_LOOK_EVERY_MIN);
        let began = Instant::now();
        assert_eq!(Arc::clone(&issuer).look_for(Some("a".into())).await, LookedFor::Unasked);
        assert_eq!(began.elapsed(), std::time::Duration::ZERO, "it is not its time yet");
        tokio::time::advance(bounds::ISSUER_LOOK_EVERY_MIN).await;
        assert_eq!(Arc::clone(&issuer).look_for(Some("a".into())).await, LookedFor::Unasked);
        assert_eq!(began.elapsed(), bounds::ISSUER_LOOK_EVERY_MIN + bounds::ISSUER_LOOK_WAIT_MAX);
        assert!(!issuer.is_known_to_lack(Some("a")), "nobody was asked");
    }

    #[test]
    fn the_same_keys_again_change_nothing() {
        let issuer = issuer();
        let look = |found| {
            issuer.begin_look();
            issuer.end_look(found, 1, Instant::now())
        };
        assert_eq!(look(found()), Some((1, 0)));
        let number = issuer.number();
        assert_eq!(look(found()), None);
        assert_eq!(look(Err("is down".to_owned())), None);
        assert_eq!((issuer.number(), issuer.seen().looks), (number, (2, 1)), "the last good keys serve");
        let other = std::str::from_utf8(SET).unwrap().replace("\"a\"", "\"b\"");
        let other = (KeySet::read(other.as_bytes(), Profile::Rfc9068).unwrap(), String::new());
        issuer.begin_look();
        assert_eq!(issuer.end_look(Ok(other), 1, Instant::now()), Some((1, 1)));
        assert_ne!(issuer.number(), number);
        issuer.forget_keys();
        assert_eq!(issuer.number(), 0);
    }
}
