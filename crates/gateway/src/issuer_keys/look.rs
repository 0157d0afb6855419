//! One look at an issuer: its metadata, if that was not read lately, and its keys.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use callgate_config::KnownIssuer;
use callgate_identity::foreign::KeySet;
use callgate_identity::foreign::metadata::{key_set_of, places};
use callgate_model::bounds;
use callgate_transport::fetch::{Fetch, FetchError};
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::chain::chain;

/// What a look finds.
#[derive(Debug)]
pub struct Found {
    /// The keys.
    pub keys: KeySet,
    /// Where they were.
    pub place: String,
    /// How long they are good for, if the issuer says so.
    pub fresh: Option<Duration>,
}

/// Looks of one issuer: what its metadata said lives from one to the next, for a while.
#[derive(Debug, Default)]
pub struct Look {
    place: Option<(KnownIssuer, String, Instant)>,
}

// === impl Look ===

impl Look {
    /// Looks.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub async fn make(&mut self, setting: &KnownIssuer, tls: Option<Arc<ClientConfig>>) -> Result<Found, String> {
        let ips = setting.ips.clone();
        let fetch = Fetch {
            tls,
            allows: Arc::new(move |ip: IpAddr| ips.iter().any(|network| network.contains(&ip))),
            bytes_max: bounds::ISSUER_ANSWER_BYTES_MAX,
            time_max: bounds::ISSUER_ANSWER_TIME_MAX,
        };
        let place = match &setting.jwks {
            Some(jwks) => jwks.clone(),
            None => self.place(&fetch, setting).await?,
        };
        let keys = read_keys(&fetch, setting, &place).await;
        if keys.is_err() {
            // The issuer may have moved them.
            self.place = None;
        }
        keys
    }

    /// Where the keys are, by the metadata.
    async fn place(&mut self, fetch: &Fetch, setting: &KnownIssuer) -> Result<String, String> {
        let is_new = |(of, _, when): &&(KnownIssuer, String, Instant)| {
            of == setting && when.elapsed() < bounds::ISSUER_KEYS_FRESH_MAX
        };
        if let Some((_, place, _)) = self.place.as_ref().filter(is_new) {
            return Ok(place.clone());
        }
        let place = read_metadata(fetch, setting).await?;
        if setting.url.starts_with("https:") && !place.starts_with("https:") {
            return Err(format!(
                "the metadata says that the keys are at `{place}`: what comes in clear text is anybody's"
            ));
        }
        self.place = Some((setting.clone(), place.clone(), Instant::now()));
        Ok(place)
    }
}

async fn read_metadata(fetch: &Fetch, setting: &KnownIssuer) -> Result<String, String> {
    let mut faults = Vec::new();
    for place in places(&setting.url, setting.profile) {
        match fetch.get(&place).await {
            Ok(fetched) => {
                let read = key_set_of(&fetched.bytes, &setting.url);
                return read.map_err(|fault| format!("the metadata at {place} {fault}"));
            }
            Err(fault) => {
                // Only where the issuer answers is it worth asking for the other document.
                let answers = matches!(fault, FetchError::Status { .. } | FetchError::Redirect { .. });
                faults.push(format!("the metadata at {place} {}", chain(&fault)));
                if !answers {
                    break;
                }
            }
        }
    }
    Err(faults.join("; "))
}

async fn read_keys(fetch: &Fetch, setting: &KnownIssuer, place: &str) -> Result<Found, String> {
    let fetched = fetch.get(place).await.map_err(|fault| format!("the key set at {place} {}", chain(&fault)))?;
    let keys = KeySet::read(&fetched.bytes, setting.profile);
    let keys = keys.map_err(|fault| format!("the key set at {place} {fault}"))?;
    Ok(Found { keys, place: place.to_owned(), fresh: fetched.fresh })
}
