//! What the admin API may do to the running gate.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use callgate_admin::operations::{Boxed, Handover};
use callgate_admin::views::{ApiSummary, GateSummary, Issuer, IssuerKey, Lost, Plan, Reloaded, UpstreamServer};
use callgate_admin::{AdminCode, AdminError, Operations};
use callgate_config::{Config, HeaderRules};
use callgate_gateway::Gate;
use callgate_gateway::snapshot::CompiledIssuer;
use callgate_model::Mode;
use callgate_records::Follow;
use callgate_store::CallFilter;
use callgate_transport::gauge::Connections;

use super::upgrade::Heirs;
use super::{Address, Reloader};

/// The running gate behind the admin API.
#[derive(Debug)]
pub(super) struct RunningGate {
    /// What the workers share.
    pub(super) gate: Arc<Gate>,
    /// Client connections.
    pub(super) connections: Arc<Connections>,
    /// Where calls arrive.
    pub(super) listening: Vec<Address>,
    /// Data-plane threads.
    pub(super) workers: usize,
    /// When it started, Unix milliseconds.
    pub(super) started_ms: i64,
    /// Who may take its place.
    pub(super) heirs: Heirs,
    /// How to take a changed file over; none when there is no file.
    pub(super) reloader: Mutex<Option<Reloader>>,
}

impl Operations for RunningGate {
    fn summary(&self) -> Option<GateSummary> {
        let snapshot = self.gate.snapshot();
        let reloader = self.reloader.lock().unwrap_or_else(PoisonError::into_inner);
        let apis = snapshot.config.apis.iter().map(|api| ApiSummary {
            name: api.name.clone(),
            host: api.host.clone(),
            path: api.path.clone(),
            upstream: api.upstream.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            routes: api.routes.len(),
        });
        Some(GateSummary {
            started_ms: self.started_ms,
            mode: if snapshot.config.mode == Mode::Observe { "observe" } else { "enforce" }.to_owned(),
            config_file: reloader.as_ref().map(|reloader| reloader.path().display().to_string()),
            listeners: self.listening.iter().map(ToString::to_string).collect(),
            apis: apis.collect(),
            workers: self.workers,
            connections: self.connections.counts().open as u64,
            in_flight: self.gate.in_flight(),
            records_dropped: self.gate.recorder.dropped(),
            reload_problem: reloader.as_ref().and_then(Reloader::problem),
        })
    }

    fn plans(&self) -> Vec<Plan> {
        self.gate.snapshot().config.plans.iter().map(|(name, plan)| Plan::of(name, plan)).collect()
    }

    fn apis(&self) -> Vec<String> {
        self.gate.snapshot().config.apis.iter().map(|api| api.name.clone()).collect()
    }

    fn issuers(&self) -> Vec<Issuer> {
        let snapshot = self.gate.snapshot();
        snapshot.issuers.iter().map(|known| issuer(known, &snapshot.config)).collect()
    }

    fn reload(&self) -> Boxed<'_, Result<Reloaded, AdminError>> {
        let reloader = self.reloader.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let before = self.gate.snapshot().config.clone();
        Box::pin(async move {
            let Some(reloader) = reloader else {
                return Err(AdminError::new(
                    AdminCode::NotRunning,
                    "this gate was started without a file: there is nothing to reload",
                ));
            };
            let file = reloader.path().to_owned();
            match tokio::task::spawn_blocking(move || reloader.reload()).await {
                Ok(Ok(report)) => Ok(Reloaded {
                    changed: report.routes_added + report.routes_removed > 0
                        || !same(&file, &before, &self.gate.snapshot().config),
                    summary: super::reload::told(&report),
                    needs_restart: report.needs_restart,
                }),
                Ok(Err(error)) => Err(AdminError::new(AdminCode::ReloadFailed, format!("{error:#}"))),
                Err(error) => Err(AdminError::new(AdminCode::Internal, format!("the reload broke off: {error}"))),
            }
        })
    }

    fn lost(&self) -> Option<Lost> {
        Some(self.gate.recorder.lost().into())
    }

    fn upstreams(&self) -> Option<Vec<UpstreamServer>> {
        Some(super::servers::servers(&self.gate))
    }

    fn begin_handover(&self) -> Result<Handover, AdminError> {
        self.heirs.begin()
    }

    fn follow(&self, filter: CallFilter) -> Option<Follow> {
        self.gate.recorder.follow(filter)
    }

    fn flush(&self) -> Boxed<'_, ()> {
        Box::pin(async move {
            self.gate.recorder.flush().await;
        })
    }
}

/// An issuer with what was seen of it.
fn issuer(known: &CompiledIssuer, config: &Config) -> Issuer {
    let seen = known.issuer.seen();
    let keys = known.issuer.described().into_iter().map(|(kid, kind, algorithms)| IssuerKey {
        kid,
        kind,
        algorithms: algorithms.into_iter().map(str::to_owned).collect(),
    });
    Issuer {
        key_set: seen.key_set,
        seen_ms: seen.good_ms,
        looks_good: seen.looks.0,
        looks_failed: seen.looks.1,
        problem: seen.fault,
        keys: keys.collect(),
        ..Issuer::of(&known.setting, config)
    }
}

/// Whether nothing at all is different. Where the gate also watches other files (certificates, secrets), what those held
/// before is not known any more, so that a new certificate is never told as no change.
fn same(file: &Path, before: &Config, after: &Config) -> bool {
    let only_it = |config: &Config| config.watched.iter().all(|watched| watched == file);
    // Their printed forms hide secrets, so the fields that may have some are held against each other besides.
    only_it(before)
        && only_it(after)
        && format!("{before:?}") == format!("{after:?}")
        && headers(before).eq(headers(after))
}

fn headers(config: &Config) -> impl Iterator<Item = &HeaderRules> {
    config.apis.iter().flat_map(|api| {
        std::iter::once(&api.guards.headers).chain(api.routes.iter().map(|route| &route.guards.headers))
    })
}
