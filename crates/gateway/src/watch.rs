//! Calls that go on long after their credential was judged: WebSockets, streams of events, long downloads. They end when the
//! credential does: revoked, expired, or with a certificate that is nobody's any more.
//!
//! A token that merely expires ends nothing: it lives for minutes, and a download that takes longer was let in while it did.
//!
//! None of this wakes anybody by itself: a revocation is one atomic in the key's entry, an expiry is a moment that passes. So a
//! worker that has such calls looks at their credentials a few times a second, by one task that lives only while there are any.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Waker};

use callgate_identity::{ConsumerEntry, ForeignToken, KeyEntry, NameDigest, TokenEntry};
use callgate_model::bounds;

use crate::call::Held;
use crate::snapshot::Snapshot;
use crate::worker::Worker;

/// What a call was let in by.
#[derive(Debug)]
pub(crate) struct Credential {
    /// Its key.
    pub key: Option<Arc<KeyEntry>>,
    /// Its token; beside a key where both are asked for.
    pub token: Option<Arc<TokenEntry>>,
    /// Its token of another issuer, likewise, and the consumer that it named.
    pub foreign: Option<(Arc<ForeignToken>, Arc<ConsumerEntry>)>,
    /// Its certificate; beside a key where both are asked for.
    pub certificate: Option<Held>,
}

/// Why a credential is none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lapsed {
    /// Taken away: a key, a consumer, a certificate's place in the configuration.
    Revoked,
    /// The end of a key's time.
    Expired,
}

/// A watch over the credential of one call.
#[derive(Debug)]
pub(crate) enum Watch {
    /// It came without one, or the rule that asks for one only watches.
    Nothing,
    /// Nobody looks yet.
    Resting(Credential, Rc<Worker>),
    /// It is looked at.
    Posted(Rc<Post>),
}

/// A place among those that a worker looks at.
#[derive(Debug)]
pub(crate) struct Post {
    credential: Credential,
    /// Set once.
    lapsed: Cell<Option<Lapsed>>,
    waker: RefCell<Waker>,
}

/// Those of one worker. A call that has ended leaves its place to be found empty.
#[derive(Debug, Default)]
pub(crate) struct Posts {
    all: RefCell<Vec<Weak<Post>>>,
    walking: Cell<bool>,
}

// === impl Credential ===

impl Credential {
    fn lapsed(&self, worker: &Worker, now_ms: i64) -> Option<Lapsed> {
        let key = self.key.as_ref();
        if key.is_some_and(|key| key.is_revoked()) || self.token.as_ref().is_some_and(|token| token.is_revoked()) {
            return Some(Lapsed::Revoked);
        }
        if key.and_then(|key| key.expires_ms()).is_some_and(|ms| ms <= now_ms) {
            return Some(Lapsed::Expired);
        }
        if self.foreign.as_ref().is_some_and(|(token, consumer)| !counts(worker, token, consumer)) {
            return Some(Lapsed::Revoked);
        }
        let held = self.certificate.as_ref().is_none_or(|certificate| certificate.holds(worker, now_ms));
        (!held).then_some(Lapsed::Revoked)
    }
}

/// Whether another issuer's token would count now: its key is one of the issuer's still, the configuration takes the issuer, and
/// the consumer is there.
fn counts(worker: &Worker, token: &ForeignToken, consumer: &ConsumerEntry) -> bool {
    let takes = |snapshot: &Snapshot| {
        snapshot.issuers.iter().any(|known| Arc::ptr_eq(&known.issuer, &token.issuer) && known.may_name(&consumer.name))
    };
    let found = worker.gate().keys.consumer_named(&NameDigest::of(&consumer.name));
    token.is_vouched_for() && takes(&worker.snapshot()) && found.is_some_and(|found| found.id == consumer.id)
}

// === impl Watch ===

impl Watch {
    pub(crate) fn over(credential: Option<Credential>, worker: &Rc<Worker>) -> Watch {
        credential.map_or(Watch::Nothing, |credential| Watch::Resting(credential, Rc::clone(worker)))
    }

    /// Whether there is a credential to watch.
    pub(crate) fn is_over_any(&self) -> bool {
        !matches!(self, Watch::Nothing)
    }

    /// What was found when the credential was looked at last.
    pub(crate) fn lapsed(&self) -> Option<Lapsed> {
        match self {
            Watch::Posted(post) => post.lapsed.get(),
            Watch::Nothing | Watch::Resting(..) => None,
        }
    }

    /// The same; from here on the credential is looked at every [`bounds::CREDENTIAL_WATCH_EVERY`], and the task is woken when
    /// it has lapsed.
    pub(crate) fn poll_lapsed(&mut self, context: &Context<'_>) -> Option<Lapsed> {
        match std::mem::replace(self, Watch::Nothing) {
            Watch::Nothing => {}
            Watch::Posted(post) => {
                post.waker.borrow_mut().clone_from(context.waker());
                *self = Watch::Posted(post);
            }
            Watch::Resting(credential, worker) => {
                let lapsed = Cell::new(credential.lapsed(&worker, worker.gate().clock.unix_ms()));
                let post = Rc::new(Post { credential, lapsed, waker: RefCell::new(context.waker().clone()) });
                worker.posts().enter(&post, &worker);
                *self = Watch::Posted(post);
            }
        }
        self.lapsed()
    }
}

// === impl Posts ===

impl Posts {
    fn enter(&self, post: &Rc<Post>, worker: &Rc<Worker>) {
        self.all.borrow_mut().push(Rc::downgrade(post));
        if !self.walking.replace(true) {
            tokio::task::spawn_local(walk(Rc::downgrade(worker)));
        }
    }

    /// Wakes those whose credential has lapsed, and forgets those that are gone; whether any is left.
    fn look(&self, worker: &Worker) -> bool {
        let now_ms = worker.gate().clock.unix_ms();
        let mut all = self.all.borrow_mut();
        all.retain(|post| {
            let Some(post) = post.upgrade() else { return false };
            if let Some(lapsed) = post.credential.lapsed(worker, now_ms) {
                post.lapsed.set(Some(lapsed));
                post.waker.borrow().wake_by_ref();
            }
            true
        });
        let places = 2 * all.len();
        all.shrink_to(places);
        self.walking.set(!all.is_empty());
        self.walking.get()
    }
}

async fn walk(worker: Weak<Worker>) {
    loop {
        tokio::time::sleep(bounds::CREDENTIAL_WATCH_EVERY).await;
        let Some(worker) = worker.upgrade() else { return };
        if !worker.posts().look(&worker) {
            return;
        }
    }
}
