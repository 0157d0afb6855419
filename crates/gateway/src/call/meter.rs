//! Meter: every limit and quota is tested, then all are charged; and a place among the running calls is taken.

use std::sync::Arc;

use callgate_config::Rule;
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal, Subject};
use callgate_wire::rate_fields;
use http::HeaderMap;

use super::read::Incoming;
use super::route::Routed;
use super::state::Call;
use crate::caller::Caller;
use crate::limiter::{Cell, Charges, Counter};
use crate::policy::limits::LimitPolicy;
use crate::quota::Span;
use crate::snapshot::Plan;

/// Charges the call.
///
/// # Errors
/// `rate_limited`, `too_many_at_once`, `quota_exhausted`, `store_unavailable`.
pub(crate) async fn charge<B>(call: &mut Call<'_>, routed: &Routed<'_>, request: &Incoming<B>) -> Result<(), Refused> {
    let caller = call.caller.clone();
    let plan = caller.as_ref().and_then(|entry| plan_of(call, entry));

    // Places first: they give themselves back when a later rule refuses.
    places(call, routed, caller.as_ref(), plan.as_deref())?;

    let mut charges = Charges::new(&call.gate.addresses);
    for guards in routed.guards() {
        let only_watches = guards.only_watches(Rule::Limits);
        for policy in guards.limits.iter().filter(|policy| policy.limit.per != Subject::Ip) {
            if let Some(cell) = cell(call, policy, caller.as_ref(), request.headers()) {
                charges.add(cell, policy.limit.rate, policy, only_watches);
            }
        }
    }
    if let Some(plan) = &plan {
        for policy in &plan.limits {
            if let Some(cell) = cell(call, policy, caller.as_ref(), request.headers()) {
                charges.add(cell, policy.limit.rate, policy, plan.watched.only_watches(Rule::Limits));
            }
        }
    }
    settle(call, &mut charges)?;

    if let (Some(entry), Some(plan)) = (&caller, &plan)
        && let Err(refusal) = quotas(call, entry, plan).await
    {
        // The quota refused what the limits had let through: nothing is charged.
        charges.give_back();
        return Err(refusal);
    }
    Ok(())
}

/// Charges a set of limits, and notes their state for the `RateLimit` fields.
///
/// # Errors
/// `rate_limited`; nothing is charged then.
pub(crate) fn settle(call: &mut Call<'_>, charges: &mut Charges<'_, &LimitPolicy>) -> Result<(), Refused> {
    if charges.is_empty() {
        return Ok(());
    }
    let now_ns = call.began_ns();
    let would_refuse = &mut call.record.would_refuse;
    let judgement = charges.charge(now_ns, |policy, wait_ns| would_refuse.push(*policy.refusal(wait_ns)));
    for (policy, left, full_in_s) in charges.states(now_ns) {
        let limit = &policy.limit;
        rate_fields::push_policy(&mut call.rates.policy, &limit.name, limit.rate.burst, limit.rate.window_s());
        rate_fields::push_state(&mut call.rates.state, &limit.name, left, full_in_s);
    }
    judgement.map_err(|(policy, wait_ns)| policy.refusal(wait_ns))
}

fn plan_of(call: &Call<'_>, entry: &Caller) -> Option<Arc<Plan>> {
    // A consumer on a plan that the file no longer has is held to the limits of the APIs alone; `check` warns of it.
    entry.consumer().plan().and_then(|name| call.snapshot.plans.get(&*name).cloned())
}

fn cell(call: &Call<'_>, policy: &LimitPolicy, caller: Option<&Caller>, headers: &HeaderMap) -> Option<Cell> {
    match &policy.limit.per {
        Subject::Api | Subject::Route => policy.own.clone().map(Cell::Owned),
        Subject::Key => caller.map(|entry| Cell::Owned(entry.cells().cell(policy.fingerprint))),
        Subject::Consumer => caller.map(|entry| Cell::Owned(entry.consumer().cells.cell(policy.fingerprint))),
        Subject::Ip => Some(Cell::Shared(call.gate.addresses.ip(policy.fingerprint, call.record.client))),
        Subject::Header(name) => {
            let value = headers.get(name)?;
            Some(Cell::Shared(call.gate.addresses.text(policy.fingerprint, value.as_bytes())))
        }
    }
}

fn places(
    call: &mut Call<'_>,
    routed: &Routed<'_>,
    caller: Option<&Caller>,
    plan: Option<&Plan>,
) -> Result<(), Refused> {
    for guards in routed.guards() {
        if let Some((max, counter)) = &guards.concurrent {
            take_place(call, counter, *max, &guards.place, guards.only_watches(Rule::Concurrent))?;
        }
    }
    if let (Some(entry), Some(plan)) = (caller, plan)
        && let Some((max, fingerprint)) = plan.concurrent
    {
        let counter = Counter::over(entry.consumer().cells.cell(fingerprint));
        take_place(call, &counter, max, &format!("plans.{}", plan.name), plan.watched.only_watches(Rule::Concurrent))?;
    }
    Ok(())
}

fn take_place(
    call: &mut Call<'_>,
    counter: &Counter,
    max: u32,
    place: &str,
    only_watches: bool,
) -> Result<(), Refused> {
    let judgement = match counter.enter(max) {
        Ok(permit) => {
            call.record.permits.push(permit);
            Ok(())
        }
        Err(running) => {
            let detail = format!("{running} calls are running, and `concurrent` is {max}.");
            Err(Refusal::new(Code::TooManyAtOnce, detail).rule(format!("{place}.concurrent")).retry_after_ns(1))
        }
    };
    call.judge(only_watches, judgement)
}

async fn quotas(call: &mut Call<'_>, entry: &Caller, plan: &Plan) -> Result<(), Refused> {
    let only_watches = plan.watched.only_watches(Rule::Limits);
    let mut spent: Vec<Arc<Span>> = Vec::new();
    for (quota, fingerprint) in &plan.quotas {
        let cell = match quota.per {
            Subject::Key => call.gate.quotas.cell(entry.number(), || entry.subject(), quota, *fingerprint),
            _ => {
                let consumer = entry.consumer();
                let number = u64::try_from(consumer.id).unwrap_or(0);
                call.gate.quotas.cell(number, || format!("consumer:{}", consumer.id), quota, *fingerprint)
            }
        };
        let now_ms = call.began_ms();
        let (span, judgement) = call.gate.quotas.spend(&cell, now_ms).await;
        let next_s = u64::try_from(span.end_ms - now_ms).unwrap_or(0).div_ceil(1_000);
        let length_s = u64::try_from(span.end_ms - span.start_ms).unwrap_or(0) / 1_000;
        rate_fields::push_policy(&mut call.rates.policy, &quota.name, quota.amount, length_s);
        rate_fields::push_state(&mut call.rates.state, &quota.name, cell.left(&span), next_s);
        match judgement {
            Ok(()) => spent.push(span),
            Err(refusal) => {
                let refusal = refusal.rule(format!("plans.{}.quota", plan.name));
                if let Err(refusal) = call.judge(only_watches, Err(refusal)) {
                    spent.iter().for_each(|span| span.give_back());
                    return Err(refusal);
                }
            }
        }
    }
    Ok(())
}
