//! A property: whatever the order, and however often the process dies, no quota is granted twice.

use std::collections::BTreeMap;
use std::path::Path;

use callgate_model::Clock;
use proptest::prelude::*;
use tokio::task::JoinSet;

use super::raw;
use crate::conformance::NOON_MS;
use crate::{Lease, Store};

const AMOUNT: u64 = 100;
const HOUR_MS: i64 = 3_600_000;

#[derive(Debug, Clone)]
enum Step {
    /// Nodes ask at the same time, each with what its clock says is the hour.
    Lease(Vec<(i64, u64)>),
    /// Some of the nth lease comes back, in percent.
    Return(usize, u64),
    /// The process ends without closing anything.
    Die,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::collection::vec((0_i64..4, 0_u64..40), 1..8).prop_map(Step::Lease),
        2 => (any::<usize>(), 0_u64..=100).prop_map(|(which, percent)| Step::Return(which, percent)),
        1 => Just(Step::Die),
    ]
}

/// What the nodes hold, by period: the naive model.
#[derive(Default)]
struct Held {
    leases: Vec<Lease>,
    by_period: BTreeMap<i64, u64>,
}

// === impl Held ===

impl Held {
    fn take(&mut self, lease: Lease) {
        *self.by_period.entry(lease.period_start_ms).or_default() += lease.granted;
        self.leases.push(lease);
    }

    /// Takes part of a lease from its node.
    fn give_back(&mut self, which: usize, percent: u64) -> Option<(i64, u64)> {
        let count = self.leases.len();
        let lease = self.leases.get_mut(which.checked_rem(count)?)?;
        let unspent = lease.granted * percent / 100;
        lease.granted -= unspent;
        *self.by_period.get_mut(&lease.period_start_ms)? -= unspent;
        Some((lease.period_start_ms, unspent))
    }
}

async fn open(folder: &Path) -> Store {
    Store::open(folder, Clock::manual(NOON_MS)).await.unwrap()
}

async fn play(folder: &Path, steps: Vec<Step>) {
    let (mut store, mut held) = (open(folder).await, Held::default());
    for step in steps {
        match step {
            Step::Lease(asking) => {
                let mut nodes = JoinSet::new();
                for (hour, want) in asking {
                    let store = store.clone();
                    let start_ms = NOON_MS + hour * HOUR_MS;
                    nodes.spawn(async move {
                        let lease = store.quota_lease("c", "q", start_ms, AMOUNT, want).await.unwrap();
                        assert!(lease.granted <= want && lease.period_start_ms >= start_ms);
                        lease
                    });
                }
                nodes.join_all().await.into_iter().for_each(|lease| held.take(lease));
            }
            Step::Return(which, percent) => {
                if let Some((start_ms, unspent)) = held.give_back(which, percent) {
                    store.quota_return("c", "q", start_ms, unspent).await.unwrap();
                }
            }
            Step::Die => {
                drop(store);
                store = open(folder).await;
            }
        }
        for (start_ms, granted) in &held.by_period {
            assert!(*granted <= AMOUNT, "{granted} of {AMOUNT} in period {start_ms}");
        }
        if let Some(usage) = store.quota_usage_all().await.unwrap().first() {
            let newest = held.by_period.iter().rev().find(|(start_ms, _)| **start_ms <= usage.period_start_ms);
            assert_eq!(newest, Some((&usage.period_start_ms, &usage.granted)), "the store counts what nodes hold");
        }
    }
}

#[tokio::test]
async fn the_previous_period_is_kept_for_late_returns_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("data")).await;
    for hour in 0..5 {
        store.quota_lease("c", "q", NOON_MS + hour * HOUR_MS, AMOUNT, 10).await.unwrap();
    }
    store.quota_return("c", "q", NOON_MS + 3 * HOUR_MS, 4).await.unwrap();
    let mut connection = raw(store.folder()).await;
    let sql = "SELECT period_start_ms, granted FROM quota_usage ORDER BY period_start_ms";
    let rows: Vec<(i64, i64)> = sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
    assert_eq!(rows, [(NOON_MS + 3 * HOUR_MS, 6), (NOON_MS + 4 * HOUR_MS, 10)]);
}

proptest! {
    // Every case opens a real store several times.
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_quota_is_granted_twice(steps in proptest::collection::vec(step(), 1..30)) {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(&folder.path().join("data"), steps));
    }
}
