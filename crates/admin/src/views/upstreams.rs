use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The servers that calls go to, by API and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Upstreams {
    /// The servers.
    pub servers: Vec<UpstreamServer>,
}

/// One server of an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpstreamServer {
    /// The API.
    pub api: String,
    /// The server, as `host:port`.
    pub server: String,
    /// Whether it gets calls.
    pub state: ServerState,
    /// When it last was left out or came back; none if it never was out since it is known.
    pub since_ms: Option<i64>,
    /// When the next call may try it, if failed calls left it out.
    pub until_ms: Option<i64>,
    /// Calls that it has now.
    pub in_flight: u32,
}

/// Whether a server gets calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// It does.
    Healthy,
    /// It was left out, and gets few at a time until it has answered some.
    ComingBack,
    /// It does not, because calls to it failed.
    LeftOut,
    /// It does not, because its health checks fail.
    FailingChecks,
}
