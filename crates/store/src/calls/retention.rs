//! What keeps `calls.db` under its bound: the oldest calls go first, usage much later.

use std::sync::atomic::{AtomicI64, Ordering};

use sqlx::{Row, SqliteConnection};

/// The bound, and what was last done about it.
#[derive(Debug)]
pub(super) struct Retention {
    bytes_max: u64,
    /// The newest hour for which usage was counted: counting reads all of it, so once an hour is enough.
    counted_hour_ms: AtomicI64,
}

/// Of the bound, what usage may take: the rest is for calls.
const USAGE_SHARE: u64 = 2;
/// Bytes of a usage row with its share of the tree; measured at 90 to 140.
const USAGE_ROW_BYTES: u64 = 128;
/// Calls removed at once: a twentieth, so that it is seldom, but never so many that the writer stalls (about 20 µs each).
const SLICE_SHARE: i64 = 20;
const SLICE_MAX: i64 = 5000;
const SLICE_MIN: i64 = 50;
/// Slices in one transaction.
const SLICES_MAX: u32 = 4;

// === impl Retention ===

impl Retention {
    pub(super) fn new(bytes_max: u64) -> Retention {
        Retention { bytes_max, counted_hour_ms: AtomicI64::new(i64::MIN) }
    }

    /// Removes the oldest calls when the pages in use pass the bound, and gives pages back when the file does.
    pub(super) async fn apply(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for _ in 0..SLICES_MAX {
            let (used, whole) = sizes(connection).await?;
            if whole > self.bytes_max && used < whole {
                sqlx::query("PRAGMA incremental_vacuum(2000)").execute(&mut *connection).await?;
            }
            if used <= self.bytes_max || remove_slice(connection).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Removes the oldest hours of usage when there are too many rows. Looked at once for each new hour.
    pub(super) async fn apply_to_usage(
        &self,
        connection: &mut SqliteConnection,
        newest_ms: i64,
    ) -> Result<(), sqlx::Error> {
        if self.counted_hour_ms.fetch_max(newest_ms, Ordering::Relaxed) >= newest_ms {
            return Ok(());
        }
        let rows_max = crate::row::number(self.bytes_max / USAGE_SHARE / USAGE_ROW_BYTES);
        let rows: i64 = sqlx::query("SELECT count(*) FROM usage").fetch_one(&mut *connection).await?.try_get(0)?;
        let Some(excess) = rows.checked_sub(rows_max).filter(|excess| *excess > 0) else { return Ok(()) };
        // Whole hours only: half an hour's rows would be a wrong number, a missing hour is a missing hour.
        let sql = "DELETE FROM usage WHERE hour_ms <= (SELECT hour_ms FROM usage ORDER BY hour_ms LIMIT 1 OFFSET ?) \
                   AND hour_ms < ?";
        sqlx::query(sql).bind(excess - 1).bind(newest_ms).execute(connection).await.map(drop)
    }
}

/// Bytes in pages that hold something, and of the whole file.
async fn sizes(connection: &mut SqliteConnection) -> Result<(u64, u64), sqlx::Error> {
    let sql = "SELECT (page_count - freelist_count) * page_size, page_count * page_size \
               FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    let row = sqlx::query(sql).fetch_one(connection).await?;
    let bytes = |index: usize| Ok::<_, sqlx::Error>(u64::try_from(row.try_get::<i64, _>(index)?).unwrap_or(0));
    Ok((bytes(0)?, bytes(1)?))
}

/// Removes the calls that were written first. Their numbers are dense enough to stand for a count.
async fn remove_slice(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let row =
        sqlx::query("SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM calls").fetch_one(&mut *connection).await?;
    let (first, last): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let slice = (last.saturating_sub(first) / SLICE_SHARE).clamp(SLICE_MIN, SLICE_MAX);
    let delete = sqlx::query("DELETE FROM calls WHERE id < ?").bind(first.saturating_add(slice));
    Ok(delete.execute(connection).await?.rows_affected())
}
