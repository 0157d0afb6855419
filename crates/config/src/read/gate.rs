//! The top level.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use callgate_model::bounds::{
    LOG_FILE_BYTES_DEFAULT, LOG_FILE_BYTES_MIN, LOG_FILES_KEPT_DEFAULT, LOG_FILES_KEPT_MAX, MEMORY_BYTES_MIN,
};
use callgate_model::{Mode, bounds, consumer};

use crate::config::{
    AdminListen, Api, Config, Drain, ForwardHeader, Lockout, Log, LogTarget, MemoryBound, Plan, Rotate, TrustedProxies,
};
use crate::read::{api, certificates, issuer, issuers, listen, plan, reach};
use crate::settings::{ROOT, Section, Setting};
use crate::tree::{Entry, Node};
use crate::walk::Walk;

const LOCKOUT: Lockout = Lockout { failures: 20, within: Duration::from_secs(60), for_: Duration::from_secs(300) };

const DRAIN: Drain = Drain { delay: Duration::ZERO, timeout: bounds::DRAIN_TIME_DEFAULT };

/// Reads a whole file. `None` only if something that a `Config` can't be without is missing or wrong, which was noted.
pub(crate) fn config(walk: &mut Walk<'_>, root: &Node) -> Option<Config> {
    let fields = walk.fields(root, crate::tree::Span { end: root.span.start, ..root.span }, &ROOT)?;
    fields.read(walk, "version", version);
    let mode = fields.read(walk, "mode", mode).unwrap_or_default();
    let listen =
        fields.read(walk, "listen", |walk, entry| listen::listeners(walk, entry, fields.has("trusted_proxies")));
    let health = fields.read(walk, "health", Walk::address);
    let data_dir = fields.read(walk, "data_dir", |walk, entry| walk.text(entry, &entry.value).map(str::to_owned));
    let workers = fields.read(walk, "workers", |walk, entry| walk.count(entry, 1, 1024));
    let memory = fields.read(walk, "memory", memory).unwrap_or(MemoryBound::Automatic);
    let trusted_proxies = fields.read(walk, "trusted_proxies", trusted_proxies);
    let log = fields.read(walk, "log", log).unwrap_or(Log { access: LogTarget::Stdout, rotate: None });
    let lockout = fields.read(walk, "lockout", lockout).unwrap_or(Some(LOCKOUT));
    let admin = fields.read(walk, "admin", admin);
    let drain = fields.read(walk, "drain", drain).unwrap_or(DRAIN);
    let key_brand = fields.read(walk, "key_brand", key_brand).unwrap_or_else(|| "cg".to_owned());
    let plans = fields.read(walk, "plans", plans).unwrap_or_default();
    let authorities = fields.read(walk, "authorities", certificates::authorities).unwrap_or_default();
    let own_issuer = fields.read(walk, "issuer", issuer::issuer);
    let issuers = fields.read(walk, "issuers", issuers::issuers).unwrap_or_default();
    let apis = fields.read(walk, "apis", apis);

    let (listen, apis) = (listen?, apis?);
    reach::addresses(walk, &fields, &listen, health, admin.as_ref());
    certificates::reach(walk, &fields, &listen, &apis);
    reach::upstreams(walk, fields.get("apis")?, &listen, &apis);
    issuer::reach(walk, &fields, own_issuer.as_ref(), &apis);
    let issuers = issuers::reach(walk, &fields, issuers, own_issuer.as_ref(), &apis);
    Some(Config {
        mode,
        listen,
        health,
        data_dir: walk.absolute(data_dir.as_deref().unwrap_or("./callgate-data")),
        workers: workers.and_then(|workers| usize::try_from(workers).ok()),
        memory,
        trusted_proxies,
        log,
        lockout,
        admin,
        drain,
        key_brand,
        plans,
        authorities,
        issuer: own_issuer,
        issuers,
        apis,
        watched: Vec::new(),
    })
}

/// `enforce` or `observe`, wherever it stands.
pub(super) fn mode(walk: &mut Walk<'_>, entry: &Entry) -> Option<Mode> {
    walk.choice(entry, &entry.value, &[("enforce", Mode::Enforce), ("observe", Mode::Observe)])
}

fn version(walk: &mut Walk<'_>, entry: &Entry) -> Option<()> {
    if entry.value.scalar().and_then(|scalar| scalar.count()) != Some(1) {
        walk.wrong(
            entry,
            entry.value.span,
            &entry.value.described(),
            "write `version: 1`, the one that this program reads",
        );
    }
    Some(())
}

fn memory(walk: &mut Walk<'_>, entry: &Entry) -> Option<MemoryBound> {
    if entry.value.text() == Some("off") {
        return Some(MemoryBound::Off);
    }
    let bytes = walk.bytes(entry)?;
    if bytes < MEMORY_BYTES_MIN {
        let help = "write `64MiB` or more (an idle gate takes about 30), or `off`";
        walk.wrong(entry, entry.value.span, &entry.value.described(), help);
    }
    Some(MemoryBound::Bytes(bytes))
}

fn trusted_proxies(walk: &mut Walk<'_>, entry: &Entry) -> Option<TrustedProxies> {
    let fields = walk.fields(&entry.value, entry.key_span, section(&ROOT, "trusted_proxies")?)?;
    let ips = fields.read(walk, "ips", Walk::networks);
    let words = [("x-forwarded-for", ForwardHeader::XForwardedFor), ("forwarded", ForwardHeader::Forwarded)];
    let header = fields.read(walk, "header", |walk, entry| walk.choice(entry, &entry.value, &words));
    let ips = ips?;
    if let Some(all) = ips.iter().find(|network| network.prefix_len() == 0) {
        let help = "name the proxies' own addresses";
        let message =
            format!("`{all}` believes anybody who writes a forwarding header, so callers choose their own address");
        walk.warning(fields.place("ips"), message, help);
    }
    Some(TrustedProxies { ips, header: header.unwrap_or(ForwardHeader::XForwardedFor) })
}

fn log(walk: &mut Walk<'_>, entry: &Entry) -> Option<Log> {
    let fields = walk.fields(&entry.value, entry.key_span, section(&ROOT, "log")?)?;
    fields.read(walk, "format", |walk, entry| walk.choice(entry, &entry.value, &[("json", ())]));
    let access = fields.read(walk, "access", |walk, entry| {
        Some(match walk.text(entry, &entry.value)? {
            "off" => LogTarget::Off,
            "stdout" => LogTarget::Stdout,
            path => LogTarget::File(walk.absolute(path)),
        })
    });
    let rotate = fields.read(walk, "rotate", rotate);
    let access = access.unwrap_or(LogTarget::Stdout);
    if fields.has("rotate") && !matches!(access, LogTarget::File(_)) {
        let message = "`rotate` has no effect: the access log is not a file";
        walk.error(fields.place("rotate"), message, "leave it out, or name a file: `access: access.log`");
    }
    Some(Log { access, rotate })
}

fn rotate(walk: &mut Walk<'_>, entry: &Entry) -> Option<Rotate> {
    let fields = walk.fields(&entry.value, entry.key_span, section(section(&ROOT, "log")?, "rotate")?)?;
    let size = fields.read(walk, "size", |walk, entry| {
        let size = walk.bytes(entry)?;
        if size < LOG_FILE_BYTES_MIN {
            walk.wrong(entry, entry.value.span, &entry.value.described(), "write `128KiB` or more");
        }
        Some(size)
    });
    let keep = fields.read(walk, "keep", |walk, entry| walk.count(entry, 1, LOG_FILES_KEPT_MAX));
    let keep = keep.and_then(|keep| u32::try_from(keep).ok());
    Some(Rotate { size: size.unwrap_or(LOG_FILE_BYTES_DEFAULT), keep: keep.unwrap_or(LOG_FILES_KEPT_DEFAULT) })
}

/// The inner `None` stands for `off`.
fn lockout(walk: &mut Walk<'_>, entry: &Entry) -> Option<Option<Lockout>> {
    if entry.value.text().is_some() {
        return walk.choice(entry, &entry.value, &[("off", None)]);
    }
    let fields = walk.fields(&entry.value, entry.key_span, section(&ROOT, "lockout")?)?;
    Some(Some(Lockout {
        failures: fields
            .read(walk, "failures", |walk, entry| walk.count32(entry, 1, 1_000_000))
            .unwrap_or(LOCKOUT.failures),
        within: fields.read(walk, "within", Walk::duration).unwrap_or(LOCKOUT.within),
        for_: fields.read(walk, "for", Walk::duration).unwrap_or(LOCKOUT.for_),
    }))
}

fn admin(walk: &mut Walk<'_>, entry: &Entry) -> Option<AdminListen> {
    let fields = walk.fields(&entry.value, entry.key_span, section(&ROOT, "admin")?)?;
    let address: Option<SocketAddr> = fields.read(walk, "address", Walk::address);
    let tls = fields.read(walk, "tls", |walk, entry| listen::certificate(walk, &entry.value, entry.key_span));
    let address = address?;
    if !address.ip().is_loopback() && !fields.has("tls") {
        let help = "write `tls: { certificate: …, key: … }` beside it, or an address of this machine alone, such as `127.0.0.1:8081`";
        walk.error(fields.place("address"), "an administration API that others can reach needs `tls`", help);
    }
    Some(AdminListen { address, tls })
}

fn drain(walk: &mut Walk<'_>, entry: &Entry) -> Option<Drain> {
    let fields = walk.fields(&entry.value, entry.key_span, section(&ROOT, "drain")?)?;
    let time = |walk: &mut Walk<'_>, entry: &Entry| walk.duration_within(entry, bounds::DRAIN_TIME_MAX);
    Some(Drain {
        delay: fields.read(walk, "delay", time).unwrap_or(DRAIN.delay),
        timeout: fields.read(walk, "timeout", time).unwrap_or(DRAIN.timeout),
    })
}

fn key_brand(walk: &mut Walk<'_>, entry: &Entry) -> Option<String> {
    let text = walk.text(entry, &entry.value)?;
    let fits = (2..=12).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !fits {
        let help = "write 2 to 12 lower-case letters and digits, beginning with a letter";
        walk.wrong(entry, entry.value.span, &entry.value.described(), help);
    }
    fits.then(|| text.to_owned())
}

fn plans(walk: &mut Walk<'_>, entry: &Entry) -> Option<BTreeMap<String, Plan>> {
    let section = section(&ROOT, "plans")?;
    let named = named(walk, entry)?;
    Some(
        named
            .iter()
            .filter_map(|one| {
                Some((one.key.clone(), walk.within("plans", &one.key, |walk| plan::plan(walk, one, section))?))
            })
            .collect(),
    )
}

fn apis(walk: &mut Walk<'_>, entry: &Entry) -> Option<Vec<Api>> {
    let section = section(&ROOT, "apis")?;
    let named = named(walk, entry)?;
    if named.is_empty() {
        walk.error(
            entry.key_span,
            "`apis` is empty",
            "write at least one: `bookshop: { upstream: \"http://127.0.0.1:9000\" }`",
        );
    }
    let apis: Vec<Api> =
        named.iter().filter_map(|one| walk.within("apis", &one.key, |walk| api::api(walk, one, section))).collect();
    reach::same_place(walk, named, &apis);
    // A mistake inside one API was noted; the file is not taken, but others are still compared.
    Some(apis)
}

/// A mapping from names of the operator's own.
pub(super) fn named<'n>(walk: &mut Walk<'_>, entry: &'n Entry) -> Option<&'n [Entry]> {
    let is_map = matches!(entry.value.value, crate::tree::Value::Map(_));
    if !is_map && !entry.value.is_nothing() {
        walk.wrong(entry, entry.value.span, &entry.value.described(), "write a mapping from names to settings");
        return None;
    }
    for one in entry.value.entries() {
        if !consumer::is_name(&one.key) {
            let help = "1 to 64 letters, digits, `-`, `_` and `.`, not beginning with `-` or `.`";
            walk.error(one.key_span, format!("`{}` is not a name", one.key), help);
        }
    }
    Some(entry.value.entries())
}

/// The section below a setting of the table.
pub(super) fn section(parent: &'static Section, name: &str) -> Option<&'static Section> {
    let section = parent.find(name).and_then(Setting::section);
    debug_assert!(section.is_some(), "no section `{name}` under {}", parent.title);
    section
}
