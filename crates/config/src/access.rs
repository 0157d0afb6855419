//! Who may call: which credentials count, and whether one of them is enough.

use std::fmt;

/// A kind of credential, as `access` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// A key.
    Key,
    /// An access token.
    Token,
    /// A client certificate.
    Certificate,
}

/// Who may call: anybody, or holders of one or of all of these credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// One bit for each kind.
    kinds: u8,
    /// All of them are needed; otherwise one is enough.
    all: bool,
}

// === impl Credential ===

impl Credential {
    /// Every kind, in the order in which they are told.
    pub const ALL: [Credential; 3] = [Credential::Key, Credential::Token, Credential::Certificate];

    /// Its name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Credential::Key => "key",
            Credential::Token => "token",
            Credential::Certificate => "certificate",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

// === impl Access ===

impl Access {
    /// Anybody.
    pub const PUBLIC: Access = Access { kinds: 0, all: false };
    /// The holders of a key.
    pub const KEY: Access = Access { kinds: Credential::Key.bit(), all: false };

    /// The holders of one of these.
    #[must_use]
    pub fn any(kinds: &[Credential]) -> Access {
        Access { kinds: kinds.iter().fold(0, |bits, kind| bits | kind.bit()), all: false }
    }

    /// Who shows every one of these.
    #[must_use]
    pub fn all(kinds: &[Credential]) -> Access {
        let any = Access::any(kinds);
        Access { all: any.kinds.count_ones() > 1, ..any }
    }

    /// Whether anybody may call.
    #[must_use]
    pub const fn is_public(self) -> bool {
        self.kinds == 0
    }

    /// Whether this credential is looked for.
    #[must_use]
    pub const fn takes(self, kind: Credential) -> bool {
        self.kinds & kind.bit() != 0
    }

    /// Whether nobody passes without this credential.
    #[must_use]
    pub const fn needs(self, kind: Credential) -> bool {
        self.takes(kind) && (self.all || self.kinds == kind.bit())
    }

    /// Whether every credential is needed, of several.
    #[must_use]
    pub const fn needs_all(self) -> bool {
        self.all
    }

    /// The credentials that count.
    pub fn kinds(self) -> impl Iterator<Item = Credential> {
        Credential::ALL.into_iter().filter(move |kind| self.takes(*kind))
    }
}

/// In words: `key or token`.
impl fmt::Display for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.kinds().map(Credential::name).collect();
        match names.as_slice() {
            [] => formatter.write_str("public"),
            names => formatter.write_str(&names.join(if self.all { " and " } else { " or " })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_is_needed_only_if_all_are() {
        let either = Access::any(&[Credential::Token, Credential::Key]);
        let both = Access::all(&[Credential::Token, Credential::Key]);
        assert_eq!((either.to_string(), both.to_string()), ("key or token".to_owned(), "key and token".to_owned()));
        assert!(either.takes(Credential::Key) && !either.needs(Credential::Key) && both.needs(Credential::Key));
        assert!(!both.takes(Credential::Certificate) && !both.needs(Credential::Certificate));
        assert_eq!(Access::all(&[Credential::Key]), Access::KEY, "all of one is that one");
        assert!(Access::KEY.needs(Credential::Key) && !Access::KEY.is_public() && Access::PUBLIC.is_public());
    }
}
