//! Calls as they come.

use anyhow::{Result, bail};
use callgate_admin::views::{CallsQuery, Followed};

use super::{Shown, TAIL};
use crate::command::ask::Ask;

/// Shows the newest calls and then every one that ends, until the reader goes away.
pub(super) async fn run(query: CallsQuery, ask: &Ask) -> Result<()> {
    let door = ask.which.reading_door().await?;
    if door.notice().is_some() {
        door.close().await;
        bail!("no gate is running, so no calls come: `callgate log` shows those that were");
    }
    let shown = Shown::of(ask);
    // First listen, then look back: a call in between is in both, and shown once.
    let mut following = door.calls_follow(&query).await?;
    let before = door.calls_find(&CallsQuery { limit: query.limit.or(Some(TAIL)), ..query }).await?.calls;
    for call in before.iter().rev() {
        if shown.line(call).is_err() {
            return Ok(());
        }
    }
    while let Some(followed) = following.next().await? {
        match followed {
            Followed::Call(call) if before.iter().any(|shown| shown.call_id == call.call_id) => {}
            Followed::Call(call) => {
                if shown.line(&call).is_err() {
                    return Ok(());
                }
            }
            Followed::Missed(count) => {
                anstream::eprintln!("({count} calls came faster than they could be shown)");
            }
        }
    }
    bail!("the gate has ended")
}
