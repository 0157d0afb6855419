//! The settings of the gate itself: the top level, listeners, the log, plans.

use super::Kind::{Choice, Count, Duration, Either, Many, Named, Text};
use super::api::{API, IP};
use super::{Kind, Section, Setting};
use callgate_model::bounds::LOG_FILES_KEPT_MAX;

const ADDRESS: Kind = Text("an address and port: `127.0.0.1:8080`, `[::1]:8080`");
const MODE: Kind = Choice(&["enforce", "observe"]);
pub(super) const RATE: Kind = Kind::Rate(
    "a limit: `[name:] N/s|min|h|day [burst B] [per key|consumer|ip|api|route|header:NAME]`; without `burst`, B is N",
);

/// `callgate.yaml`.
pub static ROOT: Section = Section {
    name: "callgate",
    title: "The file",
    doc: "The top level of `callgate.yaml`. Paths are relative to the file. `env:NAME` and `file:PATH` as a whole value \
          of a header stand for a secret from the environment or a file.",
    groups: &[&[
        Setting::new("version", Kind::Version, "The version of this file format.", "1").needed(),
        Setting::new(
            "mode",
            MODE,
            "`observe` refuses nothing anywhere and records what would have been refused.",
            "observe",
        )
        .default("enforce"),
        Setting::new(
            "listen",
            Many(&Kind::Section(&LISTEN)),
            "Where calls arrive: one listener or a list of them.",
            "{ address: 127.0.0.1:8080 }",
        )
        .needed(),
        Setting::new(
            "health",
            ADDRESS,
            "Serves `/livez`, `/readyz` and `/metrics` here, without a token, and nothing else. Off unless written.",
            "127.0.0.1:9901",
        ),
        Setting::new(
            "data_dir",
            Text("a folder"),
            "The store, secrets and the administration socket. Made with mode 0700 if it is not there.",
            "./callgate-data",
        )
        .default("./callgate-data"),
        Setting::new("workers", Count(1, 1024), "Data-plane threads.", "2").default("one per core"),
        Setting::new(
            "memory",
            Either(&[Kind::Bytes, Choice(&["off"])]),
            "How much memory the gate may take, from 64MiB on. Past it new calls hear 503 `overloaded` until there is room \
             again; calls under way go on.",
            "512MiB",
        )
        .default("nine tenths of what the cgroup allows, if it bounds that"),
        Setting::new(
            "trusted_proxies",
            Kind::Section(&TRUSTED_PROXIES),
            "The proxies in front that are believed when they say who calls. Without this, the caller's address is the connection's.",
            "{ ips: [10.1.2.3] }",
        ),
        Setting::new("log", Kind::Section(&LOG), "The access log.", "{ access: stdout, format: json }"),
        Setting::new(
            "lockout",
            Either(&[Kind::Section(&LOCKOUT), Choice(&["off"])]),
            "Against guessing credentials: after this many wrong ones, further wrong ones from that address hear 429. A \
             valid key from there still passes.",
            "{ failures: 20, within: 1m, for: 5m }",
        )
        .default("20 failures within 1m, for 5m"),
        Setting::new(
            "admin",
            Kind::Section(&ADMIN),
            "The administration API over TCP, with a token. Off unless written: the socket in `data_dir` is always there.",
            "{ address: 127.0.0.1:8081 }",
        ),
        Setting::new(
            "drain",
            Kind::Section(&DRAIN),
            "How a gate that is told to stop (SIGTERM) goes without losing a call.",
            "{ delay: 5s, timeout: 30s }",
        ),
        Setting::new(
            "key_brand",
            Text("2 to 12 lower-case letters and digits, beginning with a letter"),
            "The first word of the keys that are made, by which leak scanners find them.",
            "acme",
        )
        .default("cg"),
        Setting::new(
            "plans",
            Named(&PLAN),
            "Named sets of limits and quotas. A consumer is on one plan.",
            "{ free: { limits: 10/s, quota: 1000/day } }",
        ),
        Setting::new(
            "authorities",
            Named(&AUTHORITY),
            "Named certificate authorities that vouch for callers, and the callers that they vouch for.",
            "{ partners: { ca: tls/partners.pem, callers: { name: client.example.com, consumer: ada } } }",
        ),
        Setting::new(
            "issuer",
            Kind::Section(&ISSUER),
            "The gate's own authorization server: OAuth clients come here for access tokens. Off unless written.",
            "{ url: \"http://127.0.0.1:8080\" }",
        ),
        Setting::new(
            "issuers",
            Many(&Either(&[Text("the URL of an issuer"), Kind::Section(&KNOWN_ISSUER)])),
            "Issuers of access tokens beside the gate's own, whose tokens an API takes when it names them. A URL alone is the \
             section with its defaults, and need not be here at all.",
            "[\"https://id.example.org\", { url: \"https://login.example.com/realms/shop\", profile: keycloak }]",
        ),
        Setting::new(
            "apis",
            Named(&API),
            "The guarded APIs, by name.",
            "{ bookshop: { upstream: \"http://127.0.0.1:9000\" } }",
        )
        .needed(),
    ]],
};

static LISTEN: Section = Section {
    name: "listener",
    title: "listen[]",
    doc: "One place where calls arrive. HTTP/1.1 and HTTP/2 are both spoken.",
    groups: &[&[
        Setting::new("address", ADDRESS, "Address and port; port 0 takes a free one.", "0.0.0.0:8443").needed(),
        Setting::new(
            "tls",
            Many(&Kind::Section(&CERTIFICATE)),
            "A certificate, or a list for several names: chosen by the name that the client asks for, else the first.",
            "{ certificate: tls/cert.pem, key: tls/key.pem }",
        ),
        Setting::new(
            "client_certificates",
            Many(&Text("the name of an authority")),
            "Asks clients for a certificate that one of these authorities has issued. A client without one connects all the \
             same: whether it may call is each API's `access`.",
            "partners",
        ),
        Setting::new(
            "cleartext",
            Choice(&["local", "allow"]),
            "Whether credentials pass unencrypted: `local` only from loopback or a trusted proxy that says https, `allow` \
             from anywhere.",
            "allow",
        )
        .default("local"),
        Setting::new(
            "redirect",
            Either(&[Choice(&["https"]), Kind::Section(&REDIRECT)]),
            "Answers every call here with 308 to the same target over https: to the port of the first listener with \
             `tls`, or to a port of its own.",
            "{ https: 443 }",
        ),
        Setting::new("ip", Kind::Section(&IP), "The addresses that may call here.", "{ allow: [10.0.0.0/8] }"),
        Setting::new(
            "proxy_protocol",
            Kind::Flag,
            "Connections here begin with a header of the PROXY protocol (version 1 or 2) that says who is at the other \
             end; it comes before TLS. Taken from `trusted_proxies` alone; any other connection is closed.",
            "true",
        )
        .default("false"),
    ]],
};

static CERTIFICATE: Section = Section {
    name: "certificate",
    title: "listen[].tls",
    doc: "A certificate and its key, as PEM files. Both are watched: a renewed certificate is taken without a restart.",
    groups: &[&[
        Setting::new("certificate", Text("a PEM file"), "The chain, the server's own first.", "tls/cert.pem").needed(),
        Setting::new("key", Text("a PEM file"), "Its private key.", "tls/key.pem").needed(),
        Setting::later("acme", "name certificate files"),
    ]],
};

static AUTHORITY: Section = Section {
    name: "authority",
    title: "authorities.NAME",
    doc: "One source of client certificates. What it vouches for says nothing about another one's names.",
    groups: &[&[
        Setting::new(
            "ca",
            Text("a PEM file"),
            "The authorities' own certificates, and no others. The file is watched.",
            "tls/partners.pem",
        )
        .needed(),
        Setting::new(
            "callers",
            Many(&Kind::Section(&CERTIFICATE_CALLER)),
            "Who calls with its certificates.",
            "[{ name: client.example.com, consumer: ada }]",
        )
        .needed(),
    ]],
};

static ISSUER: Section = Section {
    name: "issuer",
    title: "issuer",
    doc: "Answers on the gate's listeners, as a built-in API named `issuer`, at `/.well-known/oauth-authorization-server`, \
          `/.well-known/jwks.json` and below `/oauth`. Off loopback nothing else answers on its host.",
    groups: &[&[
        Setting::new(
            "url",
            Text("an https URL without a slash at the end; http on loopback"),
            "Where clients find it, and its name in every token. Tokens that name another URL are not taken any more.",
            "https://id.example.com",
        )
        .needed(),
        Setting::new(
            "algorithm",
            Choice(&["ES256", "RS256", "Ed25519"]),
            "What tokens are signed by. When it changes, keys of the new kind sign from then on, and tokens of the old one are \
             good until they end.",
            "RS256",
        )
        .default("ES256"),
    ]],
};

static KNOWN_ISSUER: Section = Section {
    name: "known_issuer",
    title: "issuers[]",
    doc: "An issuer beside the gate's own. Its keys are fetched over https, when the gate starts and from time to time; redirects \
          are not followed, and addresses that are not public are not asked unless they are named here.",
    groups: &[&[
        Setting::new(
            "url",
            Text("an https URL; http on loopback"),
            "Its identifier, letter by letter as it stands in its tokens (`iss`), with a slash at the end if it has one there.",
            "https://id.example.org",
        )
        .needed(),
        Setting::new(
            "profile",
            Choice(&["rfc9068", "keycloak", "entra", "auth0", "cognito"]),
            "Whose habits its access tokens have: `rfc9068` is the standard.",
            "keycloak",
        )
        .default("rfc9068"),
        Setting::new(
            "jwks",
            Text("an https URL; http on loopback"),
            "Where its keys are. Its metadata is not asked for then.",
            "https://id.example.org/keys",
        )
        .default("what its metadata says (`/.well-known/oauth-authorization-server` or `/.well-known/openid-configuration`)"),
        Setting::new(
            "ips",
            super::api::NETWORKS,
            "Addresses that are not public (loopback, private, link-local) on which it may be all the same. An address that is \
             written in its URL needs no other word.",
            "[10.1.2.0/24]",
        ),
        Setting::new("ca", Text("a PEM file"), "Certificate authorities to trust it by, besides the system's.", "tls/ca.pem"),
        Setting::new(
            "consumers",
            Many(&Text("the name of a consumer")),
            "The only consumers that its tokens can name: an issuer of a partner speaks for that partner alone.",
            "[acme]",
        )
        .default("every one"),
    ]],
};

static CERTIFICATE_CALLER: Section = Section {
    name: "certificate_caller",
    title: "authorities.NAME.callers[]",
    doc: "One caller, by a subject alternative name of its certificate. The subject itself is not read.",
    groups: &[&[
        Setting::new(
            "name",
            Text("a host name or a URI"),
            "The name in the certificate, whole.",
            "spiffe://example.com/billing",
        )
        .needed(),
        Setting::new("consumer", Text("a consumer's name"), "Whose calls these are, hence the plan.", "ada").needed(),
        Setting::new("scopes", Many(&Text("a scope")), "What it may do where routes ask for scopes.", "[orders:write]"),
    ]],
};

static REDIRECT: Section = Section {
    name: "redirect",
    title: "listen[].redirect",
    doc: "Where the redirect leads.",
    groups: &[&[Setting::new("https", Count(1, 65535), "The port of the https address.", "443").needed()]],
};

static TRUSTED_PROXIES: Section = Section {
    name: "trusted_proxies",
    title: "trusted_proxies",
    doc: "The header is walked from right to left over trusted addresses; it never yields loopback, link-local or a \
          proxy's own address.",
    groups: &[&[
        Setting::new(
            "ips",
            Many(&Text("an address or network: `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`")),
            "The proxies' addresses.",
            "[10.1.2.3]",
        )
        .needed(),
        Setting::new(
            "header",
            Choice(&["x-forwarded-for", "forwarded"]),
            "The one header that they write.",
            "x-forwarded-for",
        )
        .default("x-forwarded-for"),
    ]],
};

static LOG: Section = Section {
    name: "log",
    title: "log",
    doc: "The access log: one line a call.",
    groups: &[&[
        Setting::new(
            "access",
            Text("`stdout`, `off` or a file"),
            "Where it goes. Metrics and recent calls are kept all the same when it is off.",
            "stdout",
        )
        .default("stdout"),
        Setting::new("format", Choice(&["json"]), "The form of a line.", "json").default("json"),
        Setting::new(
            "rotate",
            Kind::Section(&ROTATE),
            "Of a file: moved aside by the gate itself when it is large. Unless written it only grows, or another program \
             moves it and sends SIGUSR1.",
            "{ size: 100MiB, keep: 5 }",
        ),
    ]],
};

static ROTATE: Section = Section {
    name: "rotate",
    title: "log.rotate",
    doc: "A full `access.log` becomes `access.log.1`, that one `access.log.2`, and the last one goes. All of them together \
          take at most `size` times one more than `keep`.",
    groups: &[&[
        Setting::new("size", Kind::Bytes, "How large a file gets: from 128KiB on.", "100MiB").default("100MiB"),
        Setting::new("keep", Count(1, LOG_FILES_KEPT_MAX), "How many are kept beside it.", "5").default("5"),
    ]],
};

static LOCKOUT: Section = Section {
    name: "lockout",
    title: "lockout",
    doc: "What is not written keeps its default.",
    groups: &[&[
        Setting::new("failures", Count(1, 1_000_000), "How many wrong credentials.", "20").default("20"),
        Setting::new("within", Duration, "In how much time.", "1m").default("1m"),
        Setting::new("for", Duration, "How long wrong ones then hear 429.", "5m").default("5m"),
    ]],
};

static ADMIN: Section = Section {
    name: "admin",
    title: "admin",
    doc: "The administration API over TCP.",
    groups: &[&[
        Setting::new("address", ADDRESS, "Address and port. Off loopback, `tls` is required.", "127.0.0.1:8081")
            .needed(),
        Setting::new(
            "tls",
            Kind::Section(&CERTIFICATE),
            "Its certificate.",
            "{ certificate: tls/cert.pem, key: tls/key.pem }",
        ),
    ]],
};

static DRAIN: Section = Section {
    name: "drain",
    title: "drain",
    doc: "On SIGTERM `/readyz` says 503 at once. After `delay` no new connection is taken, and each connection ends with \
          its next answer. Those without a call are left until `timeout`, because one may be on its way. Both are at most \
          an hour; Ctrl-C waits only for calls under way.",
    groups: &[&[
        Setting::new(
            "delay",
            Duration,
            "How long calls are still taken as before. Behind a balancer: longer than it takes to notice that the gate is \
             not ready.",
            "5s",
        )
        .default("0s"),
        Setting::new("timeout", Duration, "How long connections then have to end by themselves.", "30s").default("30s"),
    ]],
};

static PLAN: Section = Section {
    name: "plan",
    title: "plans.NAME",
    doc: "What a consumer may use. Limits and quotas are per consumer unless they say `per key`.",
    groups: &[&[
        Setting::new("limits", Many(&RATE), "How fast.", "[100/s burst 200]"),
        Setting::new(
            "quota",
            Many(&Kind::Rate("a quota: `[name:] N/hour|day|month [per key|consumer]`, in UTC")),
            "How much per calendar period: one or a list.",
            "1M/month",
        ),
        Setting::new("concurrent", Count(1, 1_000_000), "Calls of one consumer at once.", "50"),
        Setting::new("mode", MODE, "`observe` only watches this plan's limits and quotas.", "observe")
            .default("enforce"),
    ]],
};
