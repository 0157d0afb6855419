//! Single values: texts, numbers, durations, addresses, names.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use callgate_model::quantity;
use ipnet::IpNet;

use crate::tree::{Entry, Node};
use crate::walk::Walk;

impl Walk<'_> {
    /// A text that is not empty. Numbers and flags count as the text they were written as.
    pub(crate) fn text<'n>(&mut self, entry: &Entry, node: &'n Node) -> Option<&'n str> {
        match node.text() {
            Some(text) if !text.is_empty() => Some(text),
            Some(_) => {
                self.wrong(entry, node.span, "empty", "write its value, or leave it out");
                None
            }
            None if node.is_nothing() => {
                let message = format!("`{}` has no value", entry.key);
                self.error(entry.key_span, message, "write its value behind the colon, or leave it out");
                None
            }
            None => {
                self.wrong(entry, node.span, &node.described(), "write a text");
                None
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, entry: &Entry) -> Option<bool> {
        let flag = entry.value.scalar().and_then(|scalar| scalar.flag());
        if flag.is_none() {
            self.wrong(entry, entry.value.span, &entry.value.described(), "write `true` or `false`");
        }
        flag
    }

    /// A whole number within bounds.
    pub(crate) fn count(&mut self, entry: &Entry, least: u64, most: u64) -> Option<u64> {
        let count = entry.value.scalar().and_then(|scalar| scalar.count());
        let count = count.filter(|count| (least..=most).contains(count));
        if count.is_none() {
            let help = format!("write a whole number from {least} to {most}");
            self.wrong(entry, entry.value.span, &entry.value.described(), help);
        }
        count
    }

    /// [`Walk::count`] for a `u32`.
    pub(crate) fn count32(&mut self, entry: &Entry, least: u32, most: u32) -> Option<u32> {
        self.count(entry, least.into(), most.into()).and_then(|count| u32::try_from(count).ok())
    }

    /// A duration above zero.
    pub(crate) fn duration(&mut self, entry: &Entry) -> Option<Duration> {
        let text = self.text(entry, &entry.value)?;
        match quantity::duration(text) {
            Ok(Duration::ZERO) => {
                self.wrong(entry, entry.value.span, "zero", "write a duration such as `500ms`, `10s` or `5m`");
                None
            }
            Ok(duration) => Some(duration),
            Err(help) => {
                self.wrong(entry, entry.value.span, &entry.value.described(), help);
                None
            }
        }
    }

    /// A duration that may be none at all, and at most `max`.
    pub(crate) fn duration_within(&mut self, entry: &Entry, max: Duration) -> Option<Duration> {
        let text = self.text(entry, &entry.value)?;
        let said = quantity::duration(text).and_then(|duration| {
            if duration <= max {
                Ok(duration)
            } else {
                Err("write a duration of at most an hour, such as `30s` or `5m`")
            }
        });
        if let Err(help) = said {
            self.wrong(entry, entry.value.span, &entry.value.described(), help);
        }
        said.ok()
    }

    /// A number of bytes.
    pub(crate) fn bytes(&mut self, entry: &Entry) -> Option<u64> {
        let text = self.text(entry, &entry.value)?;
        match quantity::bytes(text) {
            Ok(bytes) => Some(bytes),
            Err(help) => {
                self.wrong(entry, entry.value.span, &entry.value.described(), help);
                None
            }
        }
    }

    /// An address to listen on.
    pub(crate) fn address(&mut self, entry: &Entry) -> Option<SocketAddr> {
        let text = self.text(entry, &entry.value)?;
        if let Ok(address) = text.parse() {
            return Some(address);
        }
        let help = match text.trim_start_matches(':').parse::<u16>() {
            Ok(port) => {
                format!("write `127.0.0.1:{port}` for this machine alone, or `0.0.0.0:{port}` for all addresses")
            }
            Err(_) if text.starts_with("localhost:") => {
                format!("write the address instead of its name: `{}`", nearest_address(text))
            }
            Err(_) => "write an address and a port, for example `127.0.0.1:8080` or `[::1]:8080`".to_owned(),
        };
        self.wrong(entry, entry.value.span, &entry.value.described(), help);
        None
    }

    /// Addresses and networks.
    pub(crate) fn networks(&mut self, entry: &Entry) -> Option<Vec<IpNet>> {
        let nodes = self.many(entry);
        Some(nodes.into_iter().filter_map(|node| self.network(entry, node)).collect())
    }

    fn network(&mut self, entry: &Entry, node: &Node) -> Option<IpNet> {
        let text = self.text(entry, node)?;
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(IpNet::from(address));
        }
        match text.parse::<IpNet>() {
            Ok(network) if network.addr() == network.network() => Some(network),
            Ok(network) => {
                let help =
                    format!("write `{}` for the network, or `{}` for the one address", network.trunc(), network.addr());
                self.error(node.span, format!("`{text}` has digits behind the network's part"), help);
                None
            }
            Err(_) => {
                let help = "write addresses or networks, for example `10.6.6.6`, `10.0.0.0/8` or `fd00::/8`";
                self.error(node.span, format!("`{text}` is not an address or network"), help);
                None
            }
        }
    }

    /// Header field names (RFC 9110 section 5.1), lower case.
    pub(crate) fn field_names(&mut self, entry: &Entry) -> Option<Vec<String>> {
        let nodes = self.many(entry);
        Some(nodes.into_iter().filter_map(|node| self.field_name(entry, node)).collect())
    }

    /// One header field name, lower case.
    pub(crate) fn field_name(&mut self, entry: &Entry, node: &Node) -> Option<String> {
        let text = self.text(entry, node)?;
        if is_token(text) {
            return Some(text.to_ascii_lowercase());
        }
        let help = "letters, digits and `-`, for example `X-Request-Id`";
        self.error(node.span, format!("`{text}` is not a header name"), help);
        None
    }

    /// A file that must be there and readable; it is watched from now on.
    pub(crate) fn file(&mut self, entry: &Entry) -> Option<PathBuf> {
        let text = self.text(entry, &entry.value)?;
        let path = self.absolute(text);
        self.files_read.push(path.clone());
        // Looked at before it is opened: opening a pipe would wait for its other end.
        let metadata = std::fs::metadata(&path);
        let metadata = metadata.and_then(|metadata| match metadata.is_file() {
            true => std::fs::File::open(&path).map(|_| metadata),
            false => Ok(metadata),
        });
        match metadata {
            Ok(metadata) if metadata.is_file() => Some(path),
            Ok(_) => {
                self.error(entry.value.span, format!("`{text}` is not a file"), "write the path of a PEM file");
                None
            }
            Err(error) => {
                let help = format!("looked for {}", path.display());
                self.error(entry.value.span, format!("`{text}` is not readable: {}", plain(&error)), help);
                None
            }
        }
    }
}

/// What somebody meant who wrote this for an address and a port: its port, or 8080 where it has none.
pub(crate) fn nearest_address(text: &str) -> SocketAddr {
    let port = text.strip_prefix("localhost:").unwrap_or(text.trim_start_matches(':'));
    let port = port.parse::<u16>().unwrap_or(8080);
    text.parse().unwrap_or(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// An IO error without the number that Rust puts behind it.
pub(crate) fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// RFC 9110 section 5.6.2, which header names and methods are made of.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
