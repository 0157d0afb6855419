//! What the key table holds of a key and of its consumer.
//!
//! An entry is made once and stays: what may change (the moments, the plan) changes in place, by atomics. So a worker that
//! holds an entry sees a revocation at once, and the limit cells in it are never copied, hence never lost. What a key may
//! do (its [`Grants`]) never changes: whoever wants other scopes makes another key.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use arc_swap::ArcSwapOption;
use callgate_model::{Consumer, Key, KeyId};
use ipnet::IpNet;

use crate::cells::CellSet;

/// One key, about 120 bytes: a million of them must fit beside everything else.
pub struct KeyEntry {
    /// The key's public id.
    pub id: KeyId,
    /// Whose it is; one for all keys of a consumer.
    pub consumer: Arc<ConsumerEntry>,
    /// What it may do; one for all keys that may do the same.
    pub grants: Arc<Grants>,
    /// The cells of limits that count per key.
    pub cells: CellSet,
    pub(crate) hash: [u8; 32],
    pub(crate) pepper_id: u32,
    /// Found by its hash: its text does not carry its id.
    pub(crate) imported: bool,
    /// Whether it waits in the touched queue; keeps it from standing there twice.
    pub(crate) queued: AtomicBool,
    /// `i64::MIN`: from ever.
    not_before_ms: i64,
    /// `i64::MAX`: never. A rotation moves it.
    expires_ms: AtomicI64,
    /// `i64::MAX`: not revoked.
    revoked_ms: AtomicI64,
    /// To the minute; `i64::MIN`: never used.
    last_used_ms: AtomicI64,
}

/// One consumer.
pub struct ConsumerEntry {
    /// The number that the store gave it.
    pub id: i64,
    /// Its name, ready to be put into records.
    pub name: Arc<str>,
    /// The cells of limits that count per consumer.
    pub cells: CellSet,
    plan: ArcSwapOption<Arc<str>>,
}

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Grants {
    /// Its scopes.
    pub scopes: Box<[Box<str>]>,
    /// The APIs it may call; empty means every one.
    pub apis: Box<[Box<str>]>,
    /// The addresses it may call from; empty means every one.
    pub ips: Box<[IpNet]>,
    /// The scopes with a space between, as the upstream is told them.
    pub scopes_text: Box<str>,
}

/// How a key stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Good,
    Revoked,
    NotYetValid,
    Expired,
}

const MINUTE_MS: i64 = 60_000;

// === impl KeyEntry ===

impl KeyEntry {
    pub(crate) fn new(key: &Key, consumer: Arc<ConsumerEntry>, grants: Arc<Grants>) -> KeyEntry {
        KeyEntry {
            id: key.id,
            consumer,
            grants,
            cells: CellSet::default(),
            hash: key.hash,
            pepper_id: key.pepper_id,
            imported: key.imported,
            queued: AtomicBool::new(false),
            not_before_ms: key.not_before_ms.unwrap_or(i64::MIN),
            expires_ms: AtomicI64::new(key.expires_ms.unwrap_or(i64::MAX)),
            revoked_ms: AtomicI64::new(key.revoked_ms.unwrap_or(i64::MAX)),
            last_used_ms: AtomicI64::new(key.last_used_ms.unwrap_or(i64::MIN)),
        }
    }

    /// Revoked comes first: a key that was taken away says so even when it would have expired since.
    pub(crate) fn standing(&self, now_ms: i64) -> Standing {
        if self.is_revoked() {
            Standing::Revoked
        } else if now_ms < self.not_before_ms {
            Standing::NotYetValid
        } else if now_ms >= self.expires_ms.load(Ordering::Acquire) {
            Standing::Expired
        } else {
            Standing::Good
        }
    }

    /// Whether it was revoked; for work that outlives the moment at which the key was verified.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked_ms.load(Ordering::Acquire) != i64::MAX
    }

    /// When it was revoked, Unix milliseconds.
    #[must_use]
    pub fn revoked_ms(&self) -> Option<i64> {
        Some(self.revoked_ms.load(Ordering::Acquire)).filter(|ms| *ms != i64::MAX)
    }

    /// From when it is not valid any more, Unix milliseconds.
    #[must_use]
    pub fn expires_ms(&self) -> Option<i64> {
        Some(self.expires_ms.load(Ordering::Acquire)).filter(|ms| *ms != i64::MAX)
    }

    /// From when it is valid, Unix milliseconds.
    #[must_use]
    pub fn not_before_ms(&self) -> Option<i64> {
        Some(self.not_before_ms).filter(|ms| *ms != i64::MIN)
    }

    /// The last call it was seen on, Unix milliseconds, to the minute.
    #[must_use]
    pub fn last_used_ms(&self) -> Option<i64> {
        Some(self.last_used_ms.load(Ordering::Relaxed)).filter(|ms| *ms != i64::MIN)
    }

    /// Revoking is for ever: a later moment, or a stale record, never takes it back.
    pub(crate) fn revoke(&self, at_ms: i64) {
        self.revoked_ms.fetch_min(at_ms, Ordering::AcqRel);
    }

    pub(crate) fn set_expires(&self, at_ms: Option<i64>) {
        self.expires_ms.store(at_ms.unwrap_or(i64::MAX), Ordering::Release);
    }

    /// Notes a use. True when the entry must be queued for the store: its minute is new and it does not wait there yet.
    /// A hot key therefore writes once a minute, and reads an unshared-looking cache line otherwise.
    pub(crate) fn touch(&self, now_ms: i64) -> bool {
        let minute_ms = now_ms - now_ms.rem_euclid(MINUTE_MS);
        self.last_used_ms.load(Ordering::Relaxed) < minute_ms
            && self.last_used_ms.fetch_max(minute_ms, Ordering::Relaxed) < minute_ms
            && !self.queued.swap(true, Ordering::AcqRel)
    }
}

impl fmt::Debug for KeyEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyEntry({} of {})", self.id, self.consumer.name)
    }
}

// === impl ConsumerEntry ===

impl ConsumerEntry {
    pub(crate) fn new(consumer: &Consumer) -> ConsumerEntry {
        let entry = ConsumerEntry {
            id: consumer.id,
            name: consumer.name.as_str().into(),
            cells: CellSet::default(),
            plan: ArcSwapOption::empty(),
        };
        entry.set_plan(consumer.plan.as_deref());
        entry
    }

    /// The plan whose limits it is held to.
    #[must_use]
    pub fn plan(&self) -> Option<Arc<str>> {
        self.plan.load().as_deref().cloned()
    }

    pub(crate) fn set_plan(&self, plan: Option<&str>) {
        self.plan.store(plan.map(|name| Arc::new(Arc::from(name))));
    }
}

impl fmt::Debug for ConsumerEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ConsumerEntry({} on {:?})", self.name, self.plan())
    }
}

// === impl Grants ===

impl Grants {
    pub(crate) fn of(key: &Key) -> Grants {
        let boxed = |texts: &[String]| texts.iter().map(|text| text.as_str().into()).collect();
        Grants {
            scopes: boxed(&key.scopes),
            apis: boxed(&key.apis),
            ips: key.ips.as_slice().into(),
            scopes_text: key.scopes.join(" ").into(),
        }
    }

    /// Whether it has this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| &**own == scope)
    }

    /// Whether it may call this API.
    #[must_use]
    pub fn takes_api(&self, api: &str) -> bool {
        self.apis.is_empty() || self.apis.iter().any(|own| &**own == api)
    }

    /// Whether it may call from this address. An IPv4 address inside an IPv6 one is judged as IPv4.
    #[must_use]
    pub fn takes_ip(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.ips.is_empty() || self.ips.iter().any(|net| net.contains(&ip))
    }
}
