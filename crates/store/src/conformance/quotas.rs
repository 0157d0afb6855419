//! Leases: never more than the amount, never twice, never again in a period that was left.

use callgate_model::Clock;

use super::{ADMIN, NOON_MS};
use crate::{Lease, QuotaUsage, Store};

const HOUR_MS: i64 = 3_600_000;
const NEXT_MS: i64 = NOON_MS + HOUR_MS;

async fn lease(store: &Store, start_ms: i64, amount: u64, want: u64) -> Lease {
    store.quota_lease("consumer:1", "daily", start_ms, amount, want).await.unwrap()
}

fn granted(granted: u64, left_after: u64, period_start_ms: i64) -> Lease {
    Lease { granted, left_after, period_start_ms }
}

pub(super) async fn leases_end_at_the_amount(store: &Store, _: &Clock) {
    assert_eq!(lease(store, NOON_MS, 10, 4).await, granted(4, 6, NOON_MS));
    assert_eq!(lease(store, NOON_MS, 10, 4).await, granted(4, 2, NOON_MS));
    assert_eq!(lease(store, NOON_MS, 10, 0).await, granted(0, 2, NOON_MS), "a look takes nothing");
    assert_eq!(lease(store, NOON_MS, 10, 4).await, granted(2, 0, NOON_MS));
    assert_eq!(lease(store, NOON_MS, 10, 4).await, granted(0, 0, NOON_MS));
    let other = store.quota_lease("consumer:2", "daily", NOON_MS, 10, 4).await.unwrap();
    assert_eq!(other, granted(4, 6, NOON_MS), "another subject has its own");
    let other = store.quota_lease("consumer:1", "hourly", NOON_MS, 10, 4).await.unwrap();
    assert_eq!(other, granted(4, 6, NOON_MS), "another quota is another count");
}

pub(super) async fn what_is_returned_can_be_leased_again(store: &Store, _: &Clock) {
    lease(store, NOON_MS, 10, 10).await;
    store.quota_return("consumer:1", "daily", NOON_MS, 3).await.unwrap();
    assert_eq!(lease(store, NOON_MS, 10, 10).await, granted(3, 0, NOON_MS));
    store.quota_return("consumer:1", "daily", NOON_MS, 99).await.unwrap();
    assert_eq!(lease(store, NOON_MS, 10, 0).await, granted(0, 10, NOON_MS), "never below nothing");
    store.quota_return("nobody", "daily", NOON_MS, 99).await.unwrap();
    assert_eq!(store.quota_usage_all().await.unwrap().len(), 1);
}

pub(super) async fn an_amount_that_shrank_grants_nothing_more(store: &Store, _: &Clock) {
    lease(store, NOON_MS, 10, 8).await;
    assert_eq!(lease(store, NOON_MS, 5, 1).await, granted(0, 0, NOON_MS));
    assert_eq!(lease(store, NOON_MS, 9, 5).await, granted(1, 0, NOON_MS));
    let endless = lease(store, NEXT_MS, u64::MAX, u64::MAX / 4).await;
    assert_eq!(endless.granted, u64::MAX / 4);
}

pub(super) async fn a_clock_that_jumps_back_opens_nothing(store: &Store, _: &Clock) {
    lease(store, NOON_MS, 10, 7).await;
    assert_eq!(lease(store, NEXT_MS, 10, 4).await, granted(4, 6, NEXT_MS), "a new period is full");
    assert_eq!(lease(store, NOON_MS, 10, 3).await, granted(3, 3, NEXT_MS), "the old one is closed");
    assert_eq!(lease(store, NOON_MS - 24 * HOUR_MS, 10, 9).await, granted(3, 0, NEXT_MS));
    store.quota_return("consumer:1", "daily", NOON_MS, 7).await.unwrap();
    assert_eq!(lease(store, NOON_MS, 10, 1).await, granted(0, 0, NEXT_MS), "a late return opens nothing either");
}

pub(super) async fn usage_shows_the_newest_period_and_old_ones_go(store: &Store, _: &Clock) {
    for hour in 0..10 {
        lease(store, NOON_MS + hour * HOUR_MS, 100, 1 + hour.unsigned_abs()).await;
    }
    store.quota_lease("key:k1", "hourly", NOON_MS, 5, 5).await.unwrap();
    let usage = |subject: &str, quota: &str, period_start_ms, granted| QuotaUsage {
        subject: subject.to_owned(),
        quota: quota.to_owned(),
        period_start_ms,
        granted,
    };
    let expect = [usage("consumer:1", "daily", NOON_MS + 9 * HOUR_MS, 10), usage("key:k1", "hourly", NOON_MS, 5)];
    assert_eq!(store.quota_usage_all().await.unwrap(), expect);
}

pub(super) async fn a_reset_is_an_audited_act(store: &Store, _: &Clock) {
    lease(store, NEXT_MS, 10, 10).await;
    store.quota_reset(&ADMIN, "consumer:1").await.unwrap();
    assert_eq!(lease(store, NOON_MS, 10, 1).await, granted(1, 9, NOON_MS));
    let entry = store.audit_list(&crate::AuditFilter::default()).await.unwrap().remove(0);
    assert_eq!((entry.act.as_str(), entry.subject.as_str()), ("quota.reset", "consumer:1"));
    assert_eq!(entry.detail["forgotten"][0]["granted"], 10);
    let error = store.quota_reset(&ADMIN, "nobody").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no quota usage of `nobody`");
}

pub(super) async fn many_at_once_share_one_quota(store: &Store, _: &Clock) {
    let mut asking = tokio::task::JoinSet::new();
    for want in 0..100 {
        let store = store.clone();
        asking.spawn(async move { lease(&store, NOON_MS, 1000, want).await.granted });
    }
    let total: u64 = asking.join_all().await.into_iter().sum();
    assert_eq!(total, 1000, "everything was asked for more than once over");
}
