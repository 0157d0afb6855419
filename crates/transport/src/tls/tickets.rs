//! The keys of session tickets, which outlive the configuration that they were made under.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;

use super::{Authority, TlsError};

/// One key for each listener and set of authorities that it asks for certificates by. A reload that leaves them as they are
/// keeps the keys, so clients resume over it. Another set gets keys of its own: in a resumed session no certificate is
/// asked for, so one that began without would stay without until its ticket ends, hours later.
#[derive(Clone, Default)]
pub struct Tickets(HashMap<(usize, u64), Arc<dyn ProducesTickets>>);

// === impl Tickets ===

impl Tickets {
    /// The key for a listener: the earlier one, or a new one.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn of(
        &mut self,
        earlier: Option<&Tickets>,
        listener: usize,
        authorities: &[&Authority],
    ) -> Result<Arc<dyn ProducesTickets>, TlsError> {
        let mut hasher = DefaultHasher::new();
        authorities.iter().for_each(|authority| authority.fingerprint().hash(&mut hasher));
        let which = (listener, hasher.finish());
        let known = earlier.and_then(|tickets| tickets.0.get(&which));
        // Resumption without memory per client; a key rotates every few hours.
        let ticketer = known.cloned().map_or_else(Ticketer::new, Ok)?;
        self.0.insert(which, Arc::clone(&ticketer));
        Ok(ticketer)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Tickets({})", self.0.len())
    }
}
