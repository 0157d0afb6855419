//! How the servers of the running configuration stand, as the admin API tells it.

use callgate_admin::views::{ServerState, UpstreamServer};
use callgate_gateway::Gate;
use callgate_transport::upstream::Stand;

/// Every server of every API.
pub(super) fn servers(gate: &Gate) -> Vec<UpstreamServer> {
    let (now_ns, now_ms) = (gate.clock.mono_ns(), gate.clock.unix_ms());
    let snapshot = gate.snapshot();
    let members = snapshot.hosts.apis().flat_map(|api| api.servers.iter().map(|member| (&*api.name, member)));
    let told = members.map(|(api, member)| {
        let stand = member.standing.stand(now_ns);
        UpstreamServer {
            api: api.to_owned(),
            server: (*member.name).to_owned(),
            state: match stand {
                Stand::Fit => ServerState::Healthy,
                Stand::ComesBack => ServerState::ComingBack,
                Stand::LeftOut { .. } => ServerState::LeftOut,
                Stand::FailsChecks => ServerState::FailingChecks,
            },
            since_ms: member.standing.changed_ns().map(|changed_ns| moment(changed_ns, now_ns, now_ms)),
            until_ms: match stand {
                Stand::LeftOut { until_ns } => Some(moment(until_ns, now_ns, now_ms)),
                _ => None,
            },
            in_flight: member.standing.in_flight(),
        }
    });
    let mut told: Vec<_> = told.collect();
    told.sort_unstable_by(|left, right| (&left.api, &left.server).cmp(&(&right.api, &right.server)));
    told
}

/// A moment of the monotonic clock by the wall clock of now.
fn moment(at_ns: u64, now_ns: u64, now_ms: i64) -> i64 {
    let apart_ms = i64::try_from(at_ns.abs_diff(now_ns) / 1_000_000).unwrap_or(i64::MAX);
    if at_ns < now_ns { now_ms.saturating_sub(apart_ms) } else { now_ms.saturating_add(apart_ms) }
}
