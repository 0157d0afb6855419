//! One method for each act, named as on the command line.

use std::fmt::Write;
use std::path::Path;

use callgate_model::{CallId, KeyId};
use http::Method;
use serde::Serialize;

use super::{AdminClient, Following};
use crate::problem::{AdminCode, AdminError};
use crate::views::{
    AdminToken, AdminTokenCreate, AdminTokenCreated, AdminTokenRole, AdminTokens, AuditEntries, AuditQuery,
    AuditVerdict, Backup, BackupTo, CallFound, Calls, CallsQuery, Client, ClientCreate, ClientCreated, Clients,
    Consumer, ConsumerCreate, ConsumerPlan, ConsumerRemoved, Consumers, Issuers, Key, KeyCreate, KeyCreated, KeyImport,
    KeyRotate, Keys, KeysQuery, Plans, Reloaded, ShownOnce, SigningKeys, SigningKeysRotate, Stats, StatsQuery, Status,
    TokenInspect, TokenInspected, Tokens, TokensQuery, TokensRevoke, TokensRevoked, Upstreams, Usage, UsageQuery,
};

pub(super) type Told<T> = Result<T, AdminError>;

// Every act answers with what the admin API says, or with its error; `GateUnreachable` when it could not be asked.
#[expect(clippy::missing_errors_doc, reason = "the same for all of them, said once above")]
impl AdminClient {
    /// Every consumer.
    pub async fn consumers_list(&self) -> Told<Consumers> {
        self.ask(Method::GET, "/v1/consumers".to_owned()).await
    }

    /// Makes a consumer.
    pub async fn consumers_create(&self, name: &str, plan: Option<&str>) -> Told<Consumer> {
        let asked = ConsumerCreate { name: name.to_owned(), plan: plan.map(str::to_owned) };
        self.send(Method::POST, "/v1/consumers".to_owned(), &asked).await
    }

    /// One consumer.
    pub async fn consumers_show(&self, name: &str) -> Told<Consumer> {
        self.ask(Method::GET, below("/v1/consumers", name)).await
    }

    /// Puts a consumer on a plan, or takes it off every one.
    pub async fn consumers_set_plan(&self, name: &str, plan: Option<&str>) -> Told<Consumer> {
        let asked = ConsumerPlan { plan: plan.map(str::to_owned) };
        self.send(Method::PATCH, below("/v1/consumers", name), &asked).await
    }

    /// Removes a consumer and all its keys.
    pub async fn consumers_remove(&self, name: &str) -> Told<ConsumerRemoved> {
        self.ask(Method::DELETE, below("/v1/consumers", name)).await
    }

    /// The keys of a consumer, or all.
    pub async fn keys_list(&self, consumer: Option<&str>) -> Told<Keys> {
        let query = KeysQuery { consumer: consumer.map(str::to_owned) };
        self.ask(Method::GET, search("/v1/keys", &query)).await
    }

    /// Makes a key.
    pub async fn keys_create(&self, asked: &KeyCreate) -> Told<KeyCreated> {
        self.send(Method::POST, "/v1/keys".to_owned(), asked).await
    }

    /// One key.
    pub async fn keys_show(&self, id: KeyId) -> Told<Key> {
        self.ask(Method::GET, below("/v1/keys", id.as_str())).await
    }

    /// Revokes a key: when this answers, the next call with it is refused.
    pub async fn keys_revoke(&self, id: KeyId) -> Told<Key> {
        self.ask(Method::POST, format!("/v1/keys/{id}/revoke")).await
    }

    /// Makes a key that may do the same.
    pub async fn keys_rotate(&self, id: KeyId, asked: &KeyRotate) -> Told<KeyCreated> {
        self.send(Method::POST, format!("/v1/keys/{id}/rotate"), asked).await
    }

    /// Takes a key over from elsewhere.
    pub async fn keys_import(&self, asked: &KeyImport) -> Told<Key> {
        self.send(Method::POST, "/v1/keys/import".to_owned(), asked).await
    }

    /// Every client.
    pub async fn clients_list(&self) -> Told<Clients> {
        self.ask(Method::GET, "/v1/clients".to_owned()).await
    }

    /// Makes a client.
    pub async fn clients_create(&self, asked: &ClientCreate) -> Told<ClientCreated> {
        self.send(Method::POST, "/v1/clients".to_owned(), asked).await
    }

    /// One client.
    pub async fn clients_show(&self, name: &str) -> Told<Client> {
        self.ask(Method::GET, below("/v1/clients", name)).await
    }

    /// Gives a client another secret.
    pub async fn clients_rotate_secret(&self, name: &str) -> Told<ClientCreated> {
        self.ask(Method::POST, format!("{}/rotate-secret", below("/v1/clients", name))).await
    }

    /// Removes a client: when this answers, the next call with a token of it is refused.
    pub async fn clients_remove(&self, name: &str) -> Told<Client> {
        self.ask(Method::DELETE, below("/v1/clients", name)).await
    }

    /// The tokens that are valid now, of a client or of all.
    pub async fn tokens_list(&self, client: Option<&str>) -> Told<Tokens> {
        let query = TokensQuery { client: client.map(str::to_owned) };
        self.ask(Method::GET, search("/v1/tokens", &query)).await
    }

    /// What a token says, and how it stands.
    pub async fn tokens_inspect(&self, token: ShownOnce) -> Told<TokenInspected> {
        self.send(Method::POST, "/v1/tokens/inspect".to_owned(), &TokenInspect { token }).await
    }

    /// Revokes tokens: when this answers, the next call with them is refused.
    pub async fn tokens_revoke(&self, asked: &TokensRevoke) -> Told<TokensRevoked> {
        self.send(Method::POST, "/v1/tokens/revoke".to_owned(), asked).await
    }

    /// The issuers beside the gate's own.
    pub async fn issuers_list(&self) -> Told<Issuers> {
        self.ask(Method::GET, "/v1/issuers".to_owned()).await
    }

    /// The keys that sign access tokens.
    pub async fn signing_keys_list(&self) -> Told<SigningKeys> {
        self.ask(Method::GET, "/v1/signing-keys".to_owned()).await
    }

    /// Lets the next key sign; or at once a new one, when a key has leaked.
    pub async fn signing_keys_rotate(&self, at_once: bool) -> Told<SigningKeys> {
        self.send(Method::POST, "/v1/signing-keys/rotate".to_owned(), &SigningKeysRotate { at_once }).await
    }

    /// The plans of the configuration.
    pub async fn plans_list(&self) -> Told<Plans> {
        self.ask(Method::GET, "/v1/plans".to_owned()).await
    }

    /// Who did what to what, newest first.
    pub async fn audit_list(&self, query: &AuditQuery) -> Told<AuditEntries> {
        self.ask(Method::GET, search("/v1/audit", query)).await
    }

    /// Whether the audit log is as it was written.
    pub async fn audit_verify(&self) -> Told<AuditVerdict> {
        self.ask(Method::GET, "/v1/audit/verify".to_owned()).await
    }

    /// Recent calls, newest first.
    pub async fn calls_find(&self, query: &CallsQuery) -> Told<Calls> {
        self.ask(Method::GET, search("/v1/calls", query)).await
    }

    /// Calls as they end, from now on. `limit` and `before` mean nothing here.
    pub async fn calls_follow(&self, query: &CallsQuery) -> Told<Following> {
        self.follow(search("/v1/calls/follow", query)).await
    }

    /// One call and its explanation.
    pub async fn calls_get(&self, id: CallId) -> Told<CallFound> {
        self.ask(Method::GET, format!("/v1/calls/{id}")).await
    }

    /// Exact usage by the hour.
    pub async fn usage(&self, query: &UsageQuery) -> Told<Usage> {
        self.ask(Method::GET, search("/v1/usage", query)).await
    }

    /// Counters by route and by consumer.
    pub async fn stats(&self, query: &StatsQuery) -> Told<Stats> {
        self.ask(Method::GET, search("/v1/stats", query)).await
    }

    /// What runs.
    pub async fn status(&self) -> Told<Status> {
        self.ask(Method::GET, "/v1/status".to_owned()).await
    }

    /// The servers that calls go to, and how each stands.
    pub async fn upstreams_list(&self) -> Told<Upstreams> {
        self.ask(Method::GET, "/v1/upstreams".to_owned()).await
    }

    /// Has the configuration read again.
    pub async fn reload(&self) -> Told<Reloaded> {
        self.ask(Method::POST, "/v1/reload".to_owned()).await
    }

    /// Has the data folder copied into a new one. A relative path is taken from where this process works.
    pub async fn backup(&self, to: &Path) -> Told<Backup> {
        let unfit = |why: String| AdminError::new(AdminCode::RequestUnfit, format!("`{}` {why}", to.display()));
        let absolute = std::path::absolute(to).map_err(|error| unfit(format!("can't be made absolute: {error}")))?;
        let to = absolute.to_str().ok_or_else(|| unfit("is not UTF-8: choose another name".to_owned()))?;
        self.send(Method::POST, "/v1/backup".to_owned(), &BackupTo { to: to.to_owned() }).await
    }

    /// Every admin token.
    pub async fn admin_tokens_list(&self) -> Told<AdminTokens> {
        self.ask(Method::GET, "/v1/admin-tokens".to_owned()).await
    }

    /// Makes an admin token.
    pub async fn admin_tokens_create(&self, name: &str, role: AdminTokenRole) -> Told<AdminTokenCreated> {
        self.send(Method::POST, "/v1/admin-tokens".to_owned(), &AdminTokenCreate { name: name.to_owned(), role }).await
    }

    /// Takes an admin token's power away.
    pub async fn admin_tokens_remove(&self, name: &str) -> Told<AdminToken> {
        self.ask(Method::DELETE, below("/v1/admin-tokens", name)).await
    }
}

/// A path with one more segment, whatever it holds. An empty name, `.` and `..` would be another path: they become a
/// segment that no name can be, so the gate answers that there is no such thing.
pub(super) fn below(path: &str, segment: &str) -> String {
    match segment {
        "" | "." | ".." => format!("{path}/%20{segment}"),
        _ => format!("{path}/{}", escaped(segment)),
    }
}

/// A path with a query string of every field that is set.
fn search(path: &str, query: &impl Serialize) -> String {
    let mut target = path.to_owned();
    let fields = serde_json::to_value(query).unwrap_or_default();
    for (name, value) in fields.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if !value.is_null() {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(&format!("{name}={}", escaped(&text)));
        }
    }
    target
}

/// Everything but the unreserved characters of RFC 3986 section 2.3 as %XX.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            // Writing into a String never fails.
            let _always_ok = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_searches_are_escaped() {
        assert_eq!(below("/v1/consumers", "a/b ü"), "/v1/consumers/a%2Fb%20%C3%BC");
        assert_eq!(below("/v1/consumers", ".."), "/v1/consumers/%20..");
        let query = CallsQuery { path: Some("/a?b&c".to_owned()), limit: Some(3), ..CallsQuery::default() };
        assert_eq!(search("/v1/calls", &query), "/v1/calls?path=%2Fa%3Fb%26c&limit=3");
    }
}
