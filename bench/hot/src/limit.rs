//! One limit per key, charged as the meter phase does it: the key's cell, the charge, and what is left for the answer.

use std::hint::black_box;

use anyhow::{Result, ensure};
use callgate_gateway::limiter::{Addresses, Cell, Charges};
use callgate_identity::KeyFault;
use callgate_model::gcra::Rate;

use crate::key::Keys;

/// What the compiled limit would be found by.
const FINGERPRINT: u64 = 0x00c0_ffee;
/// A million a second: tested like any other, and never refusing.
const RATE: Rate = Rate { interval_ns: 1_000, burst: 1_000_000 };
/// The monotonic clock's origin, past which it counts.
const START_NS: u64 = 1 << 62;

/// Charges `times` calls, each to another key.
pub(crate) fn run(times: u64) -> Result<()> {
    let keys = Keys::make(None);
    let entries = keys.texts.iter().map(|text| keys.table.judge(text, 0));
    let Ok(entries) = entries.collect::<Result<Vec<_>, KeyFault>>() else {
        anyhow::bail!("a key that was made here was refused");
    };
    // Every cell is there, as it is from a key's second call on.
    for entry in &entries {
        drop(entry.cells.cell(FINGERPRINT));
    }
    let table = Addresses::new(64);
    for (step, entry) in (0..times).zip(entries.iter().cycle()) {
        let now_ns = START_NS + step * 1_000;
        let mut charges = Charges::new(black_box(&table));
        charges.add(Cell::Owned(entry.cells.cell(FINGERPRINT)), RATE, (), false);
        let judgement = charges.charge(now_ns, |(), _| {});
        ensure!(judgement.is_ok(), "the limit refused a call of {}: {judgement:?}", entry.id);
        for state in charges.states(now_ns) {
            black_box(state);
        }
    }
    Ok(())
}
