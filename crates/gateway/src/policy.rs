//! The policies: each one file, a type compiled from the configuration and one `check`.
//!
//! A policy judges; it does not know whether its rule is in observe mode. The phase that asks it does ([`Watched`]).

pub mod content;
pub mod cors;
pub mod fields;
pub mod ip;
pub mod limits;
pub mod size;
pub mod well_formed;

use callgate_config::Rule;
use callgate_model::Mode;

/// The rules that only watch, as a set of bits: asked on every call, so it costs one `and`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watched(u16);

// === impl Watched ===

impl Watched {
    /// What a layer's own settings and the layer above it come to.
    #[must_use]
    pub fn compile(mode: Mode, observe: impl IntoIterator<Item = Rule>, above: Watched) -> Watched {
        let own = match mode {
            Mode::Observe => u16::MAX,
            Mode::Enforce => observe.into_iter().fold(0, |bits, rule| bits | bit(rule)),
        };
        Watched(own | above.0)
    }

    /// Whether this rule only watches.
    #[must_use]
    pub fn only_watches(self, rule: Rule) -> bool {
        self.0 & bit(rule) != 0
    }

    /// Whether the whole layer only watches, and with it what no rule of its own can be switched for: unusual paths.
    #[must_use]
    pub fn wholly(self) -> bool {
        self.0 == u16::MAX
    }
}

fn bit(rule: Rule) -> u16 {
    1 << (rule as u16)
}
