//! Calls that go on long after their credential was judged: WebSockets, streams of events. They end when it is revoked.
//!
//! A revocation is an atomic in memory, and wakes nobody. So a worker that has such calls looks at their credentials a few
//! times a second: a load or two each, by one task that lives only while there are any.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Waker};

use callgate_identity::{KeyEntry, TokenEntry};
use callgate_model::bounds;

/// What a call was let in by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credential {
    /// Its key.
    pub(crate) key: Option<Arc<KeyEntry>>,
    /// Its token; beside a key where both are asked for.
    pub(crate) token: Option<Arc<TokenEntry>>,
}

/// A watch over the credential of one call; over nothing, where it came without one.
#[derive(Debug)]
pub(crate) struct Watch {
    credential: Option<Credential>,
    /// Its place among those that are looked at, once it waited.
    post: Option<Rc<Post>>,
}

#[derive(Debug)]
struct Post {
    credential: Credential,
    waker: RefCell<Waker>,
}

/// Those of one worker. A call that has ended leaves its place to be found empty.
#[derive(Debug, Default)]
struct Posts {
    all: RefCell<Vec<Weak<Post>>>,
    walking: Cell<bool>,
}

thread_local! {
    static POSTS: Posts = Posts::default();
}

// === impl Credential ===

impl Credential {
    fn is_revoked(&self) -> bool {
        self.key.as_ref().is_some_and(|key| key.is_revoked())
            || self.token.as_ref().is_some_and(|token| token.is_revoked())
    }
}

// === impl Watch ===

impl Watch {
    pub(crate) fn over(credential: Credential) -> Watch {
        let is_there = credential.key.is_some() || credential.token.is_some();
        Watch { credential: is_there.then_some(credential), post: None }
    }

    /// Whether there is a credential to watch.
    pub(crate) fn has_credential(&self) -> bool {
        self.credential.is_some()
    }

    /// Whether the credential was revoked.
    pub(crate) fn is_revoked(&self) -> bool {
        self.credential.as_ref().is_some_and(Credential::is_revoked)
    }

    /// The same; and the task is woken within [`bounds::CREDENTIAL_WATCH_EVERY`] after it is.
    pub(crate) fn poll_revoked(&mut self, context: &Context<'_>) -> bool {
        let Some(credential) = &self.credential else { return false };
        if credential.is_revoked() {
            return true;
        }
        match &self.post {
            Some(post) => post.waker.borrow_mut().clone_from(context.waker()),
            None => {
                let post = Rc::new(Post { credential: credential.clone(), waker: RefCell::new(context.waker().clone()) });
                POSTS.with(|posts| posts.enter(&post));
                self.post = Some(post);
            }
        }
        false
    }
}

// === impl Posts ===

impl Posts {
    fn enter(&self, post: &Rc<Post>) {
        self.all.borrow_mut().push(Rc::downgrade(post));
        if !self.walking.replace(true) {
            tokio::task::spawn_local(walk());
        }
    }

    /// Wakes those whose credential was revoked, and forgets those that are gone; whether any is left.
    fn look(&self) -> bool {
        let mut all = self.all.borrow_mut();
        all.retain(|post| {
            let Some(post) = post.upgrade() else { return false };
            if post.credential.is_revoked() {
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

async fn walk() {
    loop {
        tokio::time::sleep(bounds::CREDENTIAL_WATCH_EVERY).await;
        if !POSTS.with(Posts::look) {
            return;
        }
    }
}
