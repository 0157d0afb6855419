//! Quotas: how much of each was granted, leased in blocks.
//!
//! A lease is on the disk before it is answered, so a crash wastes what a node had not spent and never gives it twice. For
//! each pair of subject and quota only the newest period counts: a wall clock that jumps back asks for an older one and is
//! answered with the newest one's state, so nothing opens again.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::audit::{Act, Actor};
use crate::error::StoreError;
use crate::row::{count, number};
use crate::store::Store;

/// A block of quota that a node may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Calls granted with this lease; 0 when the quota is used up.
    pub granted: u64,
    /// Calls that can still be leased.
    pub left_after: u64,
    /// The period it is for: the one asked for, or a later one that was seen before.
    pub period_start_ms: i64,
}

/// How much of a quota was granted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct QuotaUsage {
    /// Whose: whatever the gate leases by.
    pub subject: String,
    /// The quota.
    pub quota: String,
    /// The period, by its first millisecond.
    pub period_start_ms: i64,
    /// Calls granted and not returned.
    pub granted: u64,
}

// === impl Store ===

impl Store {
    /// Takes up to `want` calls from what is left of `amount`. A `want` of 0 only looks.
    ///
    /// `quota` must name the period too when a name can move from one kind of period to another: a month begins before a
    /// day does, and would read as a clock that jumped back.
    pub async fn quota_lease(
        &self,
        subject: &str,
        quota: &str,
        period_start_ms: i64,
        amount: u64,
        want: u64,
    ) -> Result<Lease, StoreError> {
        let (subject, quota) = (subject.to_owned(), quota.to_owned());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let latest = latest(connection, &subject, &quota).await?;
                    let (start_ms, used) = match latest {
                        Some((latest_ms, used)) if latest_ms >= period_start_ms => (latest_ms, used),
                        _ => (period_start_ms, 0),
                    };
                    let left = amount.saturating_sub(used);
                    let granted = want.min(left);
                    if granted > 0 {
                        add(connection, &subject, &quota, start_ms, granted).await?;
                        if let Some((previous_ms, _)) = latest.filter(|(latest_ms, _)| *latest_ms < start_ms) {
                            forget(connection, &subject, &quota, previous_ms).await?;
                        }
                    }
                    Ok(Lease { granted, left_after: left - granted, period_start_ms: start_ms })
                })
            })
            .await
    }

    /// Gives back what was leased and not spent. `period_start_ms` is the lease's own.
    pub async fn quota_return(
        &self,
        subject: &str,
        quota: &str,
        period_start_ms: i64,
        unspent: u64,
    ) -> Result<(), StoreError> {
        let (subject, quota) = (subject.to_owned(), quota.to_owned());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let sql = "UPDATE quota_usage SET granted = max(granted - ?, 0) \
                               WHERE subject = ? AND quota = ? AND period_start_ms = ?";
                    let update = sqlx::query(sql).bind(number(unspent)).bind(subject).bind(quota).bind(period_start_ms);
                    update.execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }

    /// The newest period of every subject and quota.
    pub async fn quota_usage_all(&self) -> Result<Vec<QuotaUsage>, StoreError> {
        self.main
            .read(|connection| {
                Box::pin(async move {
                    // A bare column beside max() is taken from the row that has it (sqlite.org/lang_select.html).
                    let sql = "SELECT subject, quota, max(period_start_ms) AS period_start_ms, granted FROM quota_usage \
                               GROUP BY subject, quota ORDER BY subject, quota";
                    let rows = sqlx::query(sql).fetch_all(connection).await?;
                    Ok(rows.iter().map(from_row).collect::<Result<_, _>>()?)
                })
            })
            .await
    }

    /// Forgets what a subject was granted, of every quota. For an operator: a gift to a customer, or the way out after a
    /// clock that was far ahead has closed every earlier period.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the subject was granted nothing.
    pub async fn quota_reset(&self, actor: &Actor, subject: &str) -> Result<(), StoreError> {
        let (subject, actor, now_ms) = (subject.to_owned(), actor.clone(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let sql =
                        "DELETE FROM quota_usage WHERE subject = ? RETURNING subject, quota, period_start_ms, granted";
                    let rows = sqlx::query(sql).bind(&subject).fetch_all(&mut *connection).await?;
                    let usage = rows.iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
                    if usage.is_empty() {
                        return Err(StoreError::not_found("quota usage of", &subject).into());
                    }
                    let detail = serde_json::json!({ "forgotten": usage });
                    Act { actor, act: "quota.reset", subject, detail, at_ms: now_ms }.write(connection).await?;
                    Ok(())
                })
            })
            .await
    }
}

/// The newest period seen, and what was granted in it.
async fn latest(
    connection: &mut SqliteConnection,
    subject: &str,
    quota: &str,
) -> Result<Option<(i64, u64)>, sqlx::Error> {
    let sql = "SELECT period_start_ms, granted FROM quota_usage WHERE subject = ? AND quota = ? \
               ORDER BY period_start_ms DESC LIMIT 1";
    let row = sqlx::query(sql).bind(subject).bind(quota).fetch_optional(connection).await?;
    row.map(|row| Ok((row.try_get("period_start_ms")?, count(&row, "granted")?))).transpose()
}

async fn add(
    connection: &mut SqliteConnection,
    subject: &str,
    quota: &str,
    period_start_ms: i64,
    granted: u64,
) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO quota_usage (subject, quota, period_start_ms, granted) VALUES (?, ?, ?, ?) \
               ON CONFLICT DO UPDATE SET granted = granted + excluded.granted";
    let upsert = sqlx::query(sql).bind(subject).bind(quota).bind(period_start_ms).bind(number(granted));
    upsert.execute(connection).await.map(drop)
}

/// Removes what lies before the previous period. That one stays for late returns and for showing; the newest is never
/// removed, because it is what keeps older ones closed.
async fn forget(
    connection: &mut SqliteConnection,
    subject: &str,
    quota: &str,
    previous_ms: i64,
) -> Result<(), sqlx::Error> {
    let sql = "DELETE FROM quota_usage WHERE subject = ? AND quota = ? AND period_start_ms < ?";
    sqlx::query(sql).bind(subject).bind(quota).bind(previous_ms).execute(connection).await.map(drop)
}

fn from_row(row: &SqliteRow) -> Result<QuotaUsage, sqlx::Error> {
    Ok(QuotaUsage {
        subject: row.try_get("subject")?,
        quota: row.try_get("quota")?,
        period_start_ms: row.try_get("period_start_ms")?,
        granted: count(row, "granted")?,
    })
}
