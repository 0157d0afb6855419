//! Usage by (hour, API, route, consumer, key, status): exact, never sampled.

use callgate_model::{CallRecord, KeyId, bounds};
use callgate_store::UsageRow;

use crate::names::{NameId, Named, Names, NumberMap};

const HOUR_MS: i64 = 3_600_000;

/// What was used since it was last taken.
#[derive(Debug, Default)]
pub(crate) struct UsageTally {
    /// Off until there is a database to take it.
    pub(crate) on: bool,
    rows: NumberMap<UsageKey, Used>,
    /// Calls that found [`bounds::USAGE_ROWS_MAX`] rows waiting, because the database took none for too long.
    pub(crate) lost: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct UsageKey {
    /// By the call's start.
    hour_ms: i64,
    api: NameId,
    route: NameId,
    consumer: NameId,
    key_id: Option<KeyId>,
    status: u16,
}

#[derive(Debug, Clone, Copy, Default)]
struct Used {
    count: u64,
    request_bytes: u64,
    response_bytes: u64,
}

// === impl UsageTally ===

impl UsageTally {
    pub(crate) fn add(&mut self, record: &CallRecord, named: Named) {
        if !self.on {
            return;
        }
        let key = UsageKey {
            hour_ms: record.started_ms.div_euclid(HOUR_MS) * HOUR_MS,
            api: named.api,
            route: named.route,
            consumer: named.consumer,
            key_id: record.key_id,
            status: record.status,
        };
        self.charge(key, Used { count: 1, request_bytes: record.request_bytes, response_bytes: record.response_bytes });
    }

    fn charge(&mut self, key: UsageKey, more: Used) {
        let room = self.rows.len() < bounds::USAGE_ROWS_MAX;
        match self.rows.get_mut(&key) {
            Some(used) => used.add(more),
            None if room => drop(self.rows.insert(key, more)),
            None => self.lost += more.count,
        }
    }

    /// Everything gathered; begins anew.
    pub(crate) fn take(&mut self, names: &Names) -> Vec<UsageRow> {
        let row = |(key, used): (UsageKey, Used)| UsageRow {
            hour_ms: key.hour_ms,
            api: names.present(key.api),
            route: names.present(key.route),
            consumer: names.present(key.consumer),
            key_id: key.key_id,
            status: key.status,
            count: used.count,
            request_bytes: used.request_bytes,
            response_bytes: used.response_bytes,
        };
        std::mem::take(&mut self.rows).into_iter().map(row).collect()
    }

    /// Takes rows back that the database did not take.
    pub(crate) fn give_back(&mut self, rows: &[UsageRow], names: &mut Names) {
        for row in rows {
            let key = UsageKey {
                hour_ms: row.hour_ms,
                api: names.id(row.api.as_ref()),
                route: names.id(row.route.as_ref()),
                consumer: names.id(row.consumer.as_ref()),
                key_id: row.key_id,
                status: row.status,
            };
            let used = Used { count: row.count, request_bytes: row.request_bytes, response_bytes: row.response_bytes };
            self.charge(key, used);
        }
    }
}

// === impl Used ===

impl Used {
    fn add(&mut self, more: Used) {
        self.count += more.count;
        self.request_bytes += more.request_bytes;
        self.response_bytes += more.response_bytes;
    }
}
