use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What runs here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Whether a gate is running; without one, the store alone answers.
    pub running: bool,
    /// The program's version.
    pub version: String,
    /// The process that answers.
    pub pid: u32,
    /// The data folder.
    pub data_dir: String,
    /// Keys in the store.
    pub keys: usize,
    /// What the running gate says of itself.
    pub gate: Option<GateSummary>,
}

/// The compiled configuration, in numbers and names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GateSummary {
    /// When the gate started.
    pub started_ms: i64,
    /// `enforce` or `observe`.
    pub mode: String,
    /// The configuration file, where there is one.
    pub config_file: Option<String>,
    /// Listening addresses, port 0 resolved.
    pub listeners: Vec<String>,
    /// The APIs.
    pub apis: Vec<ApiSummary>,
    /// Data-plane threads.
    pub workers: usize,
    /// Open connections.
    pub connections: u64,
    /// Calls in flight.
    pub in_flight: u64,
    /// Records that were dropped because the recorder did not keep up.
    pub records_dropped: u64,
    /// Why the configuration file as it is now is not the running one, where that is so.
    pub reload_problem: Option<String>,
}

/// One API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiSummary {
    /// Its name.
    pub name: String,
    /// The host it answers on; none means any.
    pub host: Option<String>,
    /// The prefix it answers under.
    pub path: String,
    /// The server it forwards to.
    pub upstream: String,
    /// How many routes it has.
    pub routes: usize,
}

/// The plans of the configuration, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plans {
    /// The plans.
    pub plans: Vec<Plan>,
}

/// A named set of limits and quotas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Its limits, as written.
    pub limits: Vec<String>,
    /// Its quotas, as written.
    pub quotas: Vec<String>,
    /// Calls of one consumer at once.
    pub concurrent: Option<u32>,
    /// `enforce` or `observe`.
    pub mode: String,
    /// How many consumers are on it.
    #[serde(default)]
    pub consumers: usize,
}

/// What a reload did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// Whether anything is different now.
    pub changed: bool,
    /// In a few words: `+2 −1 routes`.
    pub summary: String,
    /// Settings that changed in the file and are taken over by a restart only.
    pub needs_restart: Vec<String>,
}

/// Where a backup goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupTo {
    /// A new or empty folder on the gate's machine, as an absolute path.
    pub to: String,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// Where it is.
    pub folder: String,
    /// When it was made.
    pub made_ms: i64,
    /// What it holds.
    pub files: Vec<BackupFile>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupFile {
    /// Its path in the folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of what it holds, in hex.
    pub sha256: String,
}

// === impl Plan ===

impl Plan {
    /// A plan as the configuration has it.
    #[must_use]
    pub fn of(name: &str, plan: &callgate_config::Plan) -> Plan {
        Plan {
            name: name.to_owned(),
            limits: plan.limits.iter().map(|limit| limit.text.clone()).collect(),
            quotas: plan.quotas.iter().map(|quota| quota.text.clone()).collect(),
            concurrent: plan.concurrent,
            mode: match plan.mode {
                callgate_model::Mode::Enforce => "enforce".to_owned(),
                callgate_model::Mode::Observe => "observe".to_owned(),
            },
            // The store's to say, not the configuration's.
            consumers: 0,
        }
    }
}
