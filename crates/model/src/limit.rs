//! Limits: how fast. `[name:] N/s|min|h|day [burst B] [per SUBJECT]`, as an operator writes them.

use std::fmt;

use crate::gcra::Rate;
use crate::quantity;

/// Whose calls are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Every call of this key.
    Key,
    /// Every call of this consumer, whatever key it uses.
    Consumer,
    /// Every call from this address (IPv6: from this /64).
    Ip,
    /// Every call of the API.
    Api,
    /// Every call of the route.
    Route,
    /// Every call with this value of a header. The caller chooses it.
    Header(String),
}

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Its name in the `RateLimit` fields and in refusals.
    pub name: String,
    /// The rate, ready for GCRA.
    pub rate: Rate,
    /// Whose calls are counted together.
    pub per: Subject,
    /// As the operator wrote it, for messages.
    pub text: String,
}

const HELP: &str = "write a limit as `[name:] N/s|min|h|day [burst B] [per key|consumer|ip|api|route|header:NAME]`, for example `10/s burst 20 per key`";

// === impl Subject ===

impl Subject {
    /// Reads the word after `per`.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(word: &str) -> Result<Subject, String> {
        Ok(match word {
            "key" => Subject::Key,
            "consumer" => Subject::Consumer,
            "ip" => Subject::Ip,
            "api" => Subject::Api,
            "route" => Subject::Route,
            _ => match word.split_once(':') {
                Some(("header", name)) if is_field_name(name) => Subject::Header(name.to_ascii_lowercase()),
                Some(("claim", _)) => {
                    return Err("`per claim:…` needs access tokens, which this version does not read yet".to_owned());
                }
                _ if word == "user" => {
                    return Err("`per user` needs access tokens, which this version does not read yet".to_owned());
                }
                _ => {
                    return Err(format!(
                        "`per {word}` is not known: write `per key`, `consumer`, `ip`, `api`, `route` or `header:NAME`"
                    ));
                }
            },
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Key => formatter.write_str("key"),
            Subject::Consumer => formatter.write_str("consumer"),
            Subject::Ip => formatter.write_str("ip"),
            Subject::Api => formatter.write_str("api"),
            Subject::Route => formatter.write_str("route"),
            Subject::Header(name) => write!(formatter, "header:{name}"),
        }
    }
}

// === impl Limit ===

impl Limit {
    /// Reads a limit. `default_per` is whose calls are counted when the text does not say: a plan's limits are per
    /// consumer, an API's per api, a route's per route.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str, default_per: &Subject) -> Result<Limit, String> {
        let (name, rest) = match text.split_once(": ") {
            Some((name, rest)) if crate::consumer::is_name(name.trim()) => (Some(name.trim()), rest),
            Some(_) => return Err(format!("a limit's name is letters, digits, `-`, `_`, `.`: {HELP}")),
            None => (None, text),
        };
        let mut words = rest.split_whitespace();
        let (calls, unit) = words.next().and_then(|word| word.split_once('/')).ok_or(HELP)?;
        let calls = quantity::count(calls).filter(|calls| (1..=1_000_000_000).contains(calls)).ok_or(HELP)?;
        let period_s = match unit {
            "s" => 1_u64,
            "min" => 60,
            "h" => 3_600,
            "day" => 86_400,
            _ => return Err(format!("`/{unit}` is not a period: {HELP}")),
        };
        let (mut burst, mut per) = (calls, default_per.clone());
        while let Some(word) = words.next() {
            match (word, words.next()) {
                ("burst", Some(value)) => {
                    burst = quantity::count(value).filter(|burst| (1..=1_000_000_000).contains(burst)).ok_or(HELP)?;
                }
                ("per", Some(value)) => per = Subject::parse(value)?,
                _ => return Err(format!("`{word}` is not understood: {HELP}")),
            }
        }
        let rate = Rate { interval_ns: (period_s * 1_000_000_000).div_ceil(calls), burst };
        let name = name.map_or_else(|| format!("{calls}-{unit}-{}", subject_word(&per)), str::to_owned);
        Ok(Limit { name, rate, per, text: text.to_owned() })
    }
}

fn subject_word(per: &Subject) -> String {
    per.to_string().replace(':', "-")
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let got = match Limit::parse(text, &Subject::Consumer) {
            Ok(limit) => format!("{} {}ns x{} per {}", limit.name, limit.rate.interval_ns, limit.rate.burst, limit.per),
            Err(error) => format!("error: {error}"),
        };
        assert!(got.starts_with(expect), "{text}: {got}");
    }

    #[test]
    fn what_operators_write() {
        check("10/s", "10-s-consumer 100000000ns x10 per consumer");
        check("100/s burst 200", "100-s-consumer 10000000ns x200 per consumer");
        check("login: 5/min per ip", "login 12000000000ns x5 per ip");
        check("5/s per header:X-Tenant", "5-s-header-x-tenant 200000000ns x5 per header:x-tenant");
        check("1k/s per key", "1000-s-key 1000000ns x1000 per key");
        check("0/s", "error: write a limit");
        check("10/fortnight", "error: `/fortnight` is not a period");
        check("10/s per planet", "error: `per planet` is not known");
        check("10/s brust 4", "error: `brust` is not understood");
        check("10/s per user", "error: `per user` needs access tokens");
    }
}
