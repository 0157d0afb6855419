//! `callgate upstreams`: the servers that calls go to, and how each stands.

use anyhow::Result;
use callgate_admin::views::{ServerState, UpstreamServer, Upstreams as Listed};
use clap::Args;

use super::ask::Ask;
use crate::moment::Moments;
use crate::terminal;

/// List the servers that calls go to: which are healthy, which are left out, and the calls that each has now
#[derive(Debug, Args)]
pub struct Upstreams {
    #[command(flatten)]
    ask: Ask,
}

// === impl Upstreams ===

impl Upstreams {
    /// Lists them.
    ///
    /// # Errors
    /// No gate is running, or there is no way to it.
    pub async fn run(self) -> Result<()> {
        self.ask.show(&self.ask.read(async |gate| gate.upstreams_list().await).await?, list)
    }
}

fn list(listed: &Listed) -> String {
    let moments = Moments::now();
    let mut table = terminal::table(["api", "server", "state", "since", "calls"]);
    for server in &listed.servers {
        table.add_row([
            server.api.clone(),
            server.server.clone(),
            state(server, moments.now_ms()),
            moments.tell_or(server.since_ms, "-"),
            server.in_flight.to_string(),
        ]);
    }
    table.trim_fmt()
}

fn state(server: &UpstreamServer, now_ms: i64) -> String {
    match (server.state, server.until_ms) {
        (ServerState::Healthy, _) => "healthy".to_owned(),
        (ServerState::ComingBack, _) => "coming back, few calls at a time".to_owned(),
        (ServerState::LeftOut, Some(until_ms)) if until_ms > now_ms => {
            // Rounded up: at that moment, a call does try it.
            format!("left out, tried again in {} s", (until_ms - now_ms + 999) / 1000)
        }
        (ServerState::LeftOut, _) => "left out, tried by the next call".to_owned(),
        (ServerState::FailingChecks, _) => "fails its health checks".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_in_words() {
        let check = |is: ServerState, until_ms: Option<i64>, expect: &str| {
            let (api, server) = ("shop".to_owned(), "127.0.0.1:9000".to_owned());
            let server = UpstreamServer { api, server, state: is, since_ms: None, until_ms, in_flight: 0 };
            assert_eq!(state(&server, 10_000), expect);
        };
        check(ServerState::Healthy, None, "healthy");
        check(ServerState::ComingBack, None, "coming back, few calls at a time");
        check(ServerState::LeftOut, Some(11_001), "left out, tried again in 2 s");
        check(ServerState::LeftOut, Some(10_000), "left out, tried by the next call");
        check(ServerState::FailingChecks, None, "fails its health checks");
    }
}
