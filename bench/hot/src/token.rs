//! The check of a presented access token, as the identify phase does it.

use std::hint::black_box;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use callgate_identity::{ClientRequest, Registry, TokenRequest};
use callgate_model::{Clock, Grant, SigningAlgorithm};
use callgate_store::{Actor, Store};
use tokio::runtime::Builder;

const ISSUER: &str = "https://id.example.com";
/// Each with one token. Fewer than there are keys in [`crate::key`]: each is signed, and its row committed, before the count.
const CLIENTS: usize = 500;
/// A moment, Unix milliseconds.
const NOW_MS: i64 = 1_772_366_400_000;

/// Verifies `times` tokens that were verified before, each time another.
pub(crate) fn warm(times: u64) -> Result<()> {
    run(times, |_| {})
}

/// The same, each time as if the token had never been seen: its signature is checked.
pub(crate) fn cold(times: u64) -> Result<()> {
    run(times, |registry| registry.tokens().forget_verified())
}

fn run(times: u64, before_each: impl Fn(&Registry)) -> Result<()> {
    let folder = tempfile::tempdir().context("making a folder")?;
    let runtime = Builder::new_current_thread().enable_all().build().context("starting a runtime")?;
    let (registry, texts) = runtime.block_on(issue(folder.path()))?;
    let verify = |text: &str| -> Result<()> {
        let entry = registry.tokens().verify(black_box(text), NOW_MS);
        ensure!(entry.is_ok(), "a token that was issued here was refused: {entry:?}");
        Ok(())
    };
    texts.iter().try_for_each(|text| verify(text))?;
    for text in texts.iter().cycle().take(usize::try_from(times)?) {
        before_each(&registry);
        verify(text)?;
    }
    Ok(())
}

async fn issue(folder: &Path) -> Result<(Registry, Vec<String>)> {
    let clock = Clock::manual(NOW_MS);
    let store = Store::open(&folder.join("data"), clock.clone()).await.context("opening a store")?;
    let registry = Registry::open(store, clock, "cg").await.context("opening a registry")?;
    registry.set_issuer(Some((ISSUER, SigningAlgorithm::default()))).await?;
    let mut texts = Vec::with_capacity(CLIENTS);
    for number in 0..CLIENTS {
        let request = ClientRequest {
            name: format!("client-{number:04}"),
            consumer: None,
            grants: vec![Grant::ClientCredentials],
            scopes: vec!["books:read".to_owned()],
            ..ClientRequest::default()
        };
        let (client, _) = registry.create_client(&Actor::Local, request).await?;
        let client = registry.tokens().client(&client.name).context("a client that was just made")?;
        let asked = TokenRequest { client, scopes: vec!["books:read".to_owned()], audience: None, key: None };
        texts.push(registry.issue_token(asked).await?.text.expose().to_owned());
    }
    Ok((registry, texts))
}
