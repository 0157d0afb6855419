//! The file: `$XDG_CONFIG_HOME/callgate/auth.json`, for its owner's eyes only.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use callgate_model::Clock;
use serde::{Deserialize, Serialize};

use super::Login;
use super::asking::{Asked, AuthError, Issuer};

/// What an issuer gave, and what it takes to ask again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The issuer, letter by letter as it calls itself.
    pub issuer: String,
    /// Where tokens are asked for; of the issuer's origin.
    pub token_endpoint: String,
    /// Where they are ended; likewise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revocation_endpoint: Option<String>,
    /// The client's name.
    pub client_id: String,
    /// Its secret, where it asks for itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub secret: Option<String>,
    /// What the access token may do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<String>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resource: Option<String>,
    /// The access token.
    pub access_token: String,
    /// Until when it is good, Unix milliseconds.
    pub expires_ms: i64,
    /// What it is led on by.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refresh_token: Option<String>,
}

/// Where it is kept.
#[derive(Debug, Clone)]
pub struct Keeping {
    path: PathBuf,
}

/// The open file, which no other process opens meanwhile.
pub(super) struct Open<'a> {
    path: &'a Path,
    all: Vec<Kept>,
    _lock: File,
}

// === impl Kept ===

impl Kept {
    pub(super) fn of(issuer: &Issuer, login: &Login, asked: Asked, clock: &Clock) -> Kept {
        Kept {
            issuer: issuer.name.clone(),
            token_endpoint: issuer.token_endpoint.clone(),
            revocation_endpoint: issuer.revocation_endpoint.clone(),
            client_id: login.client_id.clone(),
            secret: login.secret.clone(),
            scope: asked.scope.clone().or_else(|| Some(login.scopes.join(" ")).filter(|scope| !scope.is_empty())),
            resource: login.resource.clone(),
            expires_ms: asked.expires_ms(clock),
            access_token: asked.access_token,
            refresh_token: asked.refresh_token,
        }
    }

    pub(super) fn led_on(&self, asked: Asked, clock: &Clock) -> Kept {
        let expires_ms = asked.expires_ms(clock);
        let Asked { access_token, refresh_token, scope, .. } = asked;
        let kept = self.clone();
        Kept {
            access_token,
            expires_ms,
            scope: scope.or(kept.scope),
            // An issuer that does not rotate says nothing (RFC 6749 section 6).
            refresh_token: refresh_token.or(kept.refresh_token),
            ..kept
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Kept({} at {})", self.client_id, self.issuer)
    }
}

// === impl Keeping ===

impl Keeping {
    /// In this file.
    #[must_use]
    pub fn at(path: PathBuf) -> Keeping {
        Keeping { path }
    }

    /// Where this person keeps it; nothing without a home.
    #[must_use]
    pub fn of_this_person() -> Option<Keeping> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
        Some(Keeping::at(config.join("callgate/auth.json")))
    }

    pub(super) fn open(&self) -> Result<Open<'_>, AuthError> {
        let fault = |source| AuthError::File { path: self.path.clone(), source };
        if let Some(folder) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault)?;
        }
        let mut options = OpenOptions::new();
        let beside = self.path.with_extension("lock");
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(beside).map_err(fault)?;
        lock.lock().map_err(fault)?;
        let all = match fs::read(&self.path) {
            Ok(text) => {
                let mode = fs::metadata(&self.path).map_err(fault)?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(AuthError::Exposed { path: self.path.clone() });
                }
                serde_json::from_slice(&text).map_err(|error| fault(error.into()))?
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(cause) => return Err(fault(cause)),
        };
        Ok(Open { path: &self.path, all, _lock: lock })
    }
}

// === impl Open ===

impl Open<'_> {
    pub(super) fn all(&self) -> &[Kept] {
        &self.all
    }

    /// What is kept of an issuer, or of the only one.
    pub(super) fn find(&self, issuer: Option<&str>) -> Result<&Kept, AuthError> {
        match (issuer, &*self.all) {
            (Some(issuer), all) => {
                let issuer = issuer.trim_end_matches('/');
                let found = all.iter().find(|kept| kept.issuer.trim_end_matches('/') == issuer);
                found.ok_or_else(|| AuthError::NotKept { issuer: Some(issuer.to_owned()) })
            }
            (None, [only]) => Ok(only),
            (None, []) => Err(AuthError::NotKept { issuer: None }),
            (None, _) => Err(AuthError::Several),
        }
    }

    pub(super) fn put(&mut self, kept: Kept) {
        self.remove(&kept.issuer);
        self.all.push(kept);
    }

    pub(super) fn remove(&mut self, issuer: &str) {
        self.all.retain(|kept| kept.issuer != issuer);
    }

    /// A file of this process's own, then a rename: whoever reads meanwhile sees the old one or the new one, whole.
    pub(super) fn write(&self) -> Result<(), AuthError> {
        let fault = |source| AuthError::File { path: self.path.to_owned(), source };
        let beside = self.path.with_extension(format!("{}.new", std::process::id()));
        let text = serde_json::to_vec_pretty(&self.all).map_err(|error| fault(error.into()))?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(fault)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(fault)?;
        fs::rename(&beside, self.path).map_err(fault)
    }
}
