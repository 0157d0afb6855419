//! Gauges and counters of other parts of the gate (connections, memory, workers), read when somebody scrapes.

use std::collections::BTreeMap;
use std::fmt;

use super::exposition::Exposition;
use super::table::Kind;

type Read = Box<dyn Fn() -> f64 + Send + Sync>;
type ReadAll = Box<dyn Fn() -> Vec<Sample> + Send + Sync>;

/// The values of a family's labels, in the order of their names, and what was read.
type Sample = (Vec<String>, f64);

/// What has been registered, by name.
#[derive(Default)]
pub(crate) struct Gauges(BTreeMap<String, Family>);

struct Family {
    kind: Kind,
    help: String,
    /// With their labels; registering the same labels again replaces the reading.
    samples: Vec<(Vec<(String, String)>, Read)>,
    /// Of a family whose label sets come and go: the labels' names, and the reading of them all.
    all: Option<(&'static [&'static str], ReadAll)>,
}

// === impl Gauges ===

impl Gauges {
    pub(crate) fn register(&mut self, name: &str, kind: Kind, help: &str, labels: &[(&str, &str)], read: Read) {
        let labels: Vec<_> = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let family = self.family(name, kind, help);
        family.samples.retain(|(present, _)| *present != labels);
        family.samples.push((labels, read));
    }

    pub(crate) fn register_all(&mut self, name: &str, help: &str, labels: &'static [&'static str], read: ReadAll) {
        self.family(name, Kind::Gauge, help).all = Some((labels, read));
    }

    fn family(&mut self, name: &str, kind: Kind, help: &str) -> &mut Family {
        let new = || Family { kind, help: help.to_owned(), samples: Vec::new(), all: None };
        self.0.entry(name.to_owned()).or_insert_with(new)
    }

    pub(crate) fn expose(&self, page: &mut Exposition) {
        for (name, family) in &self.0 {
            page.family_of(name, family.kind, &family.help);
            for (labels, read) in &family.samples {
                let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                page.sample(name, &labels, read());
            }
            if let Some((names, read)) = &family.all {
                for (values, value) in read() {
                    let labels: Vec<_> = names.iter().copied().zip(values.iter().map(String::as_str)).collect();
                    page.sample(name, &labels, value);
                }
            }
        }
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.keys()).finish()
    }
}
