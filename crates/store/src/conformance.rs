//! What every store must do, whatever it is built on: functions that take an open store, each called by one test for each
//! kind of store. SQLite is the first; PostgreSQL will run the same.

mod audit;
mod issued;
mod people;
mod quotas;
mod tokens;

use callgate_model::{Clock, KeyId};

use crate::{Actor, NewKey, Store, pepper};

/// 2024-02-29 12:00 UTC.
pub(crate) const NOON_MS: i64 = 1_709_208_000_000;
/// Who does every act of these tests.
pub(crate) const ADMIN: Actor = Actor::Uid(1000);

/// An embedded store in a folder of its own, with a clock that stands still.
pub(crate) async fn embedded() -> (tempfile::TempDir, Store, Clock) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOON_MS);
    let store = Store::open(&folder.path().join("data"), clock.clone()).await.unwrap();
    (folder, store, clock)
}

/// An id of a key, padded to its eight characters.
pub(crate) fn key_id(text: &str) -> KeyId {
    KeyId::parse(&format!("{text:0>8}")).unwrap()
}

/// A key with nothing special about it; its text is its id.
pub(crate) fn new_key(store: &Store, consumer_id: i64, id: &str) -> NewKey {
    let pepper = &store.peppers().current;
    NewKey {
        id: key_id(id),
        consumer_id,
        label: None,
        hash: pepper::hash(pepper, id),
        pepper_id: pepper.id,
        imported: false,
        scopes: Vec::new(),
        apis: Vec::new(),
        ips: Vec::new(),
        not_before_ms: None,
        expires_ms: None,
    }
}

/// Runs each function against an embedded store.
macro_rules! embedded {
    ($($module:ident::$name:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                let (_folder, store, clock) = super::embedded().await;
                super::$module::$name(&store, &clock).await;
            })*
        }
    };
}

embedded! {
    issued::consumers_come_and_go,
    issued::names_are_checked_and_unique,
    issued::a_key_is_kept_as_given,
    issued::keys_that_can_not_be_kept,
    issued::revoking_twice_answers_the_first_time,
    issued::rotation_overlaps_and_names_the_successor,
    issued::touching_only_moves_forward,
    issued::admin_tokens_are_verified_by_their_text,
    quotas::leases_end_at_the_amount,
    quotas::what_is_returned_can_be_leased_again,
    quotas::an_amount_that_shrank_grants_nothing_more,
    quotas::a_clock_that_jumps_back_opens_nothing,
    quotas::usage_shows_the_newest_period_and_old_ones_go,
    quotas::a_reset_is_an_audited_act,
    quotas::many_at_once_share_one_quota,
    tokens::clients_come_and_go_with_their_consumers,
    tokens::clients_that_can_not_be_kept,
    tokens::a_revocation_is_a_number,
    tokens::signing_keys_move_on_one_by_one,
    people::accounts_from_first_to_last,
    people::sessions_end,
    people::a_code_is_worth_one_answer,
    people::a_refresh_token_leads_on_once,
    people::a_family_has_its_bounds,
    people::families_of_one_person_are_bounded,
    people::a_family_is_bound_to_a_key,
    audit::every_act_leaves_one_entry,
    audit::refused_acts_leave_none,
    audit::listings_are_filtered,
    audit::no_secret_is_written_down,
}
