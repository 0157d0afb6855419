//! The settings of an API and of its routes.

use callgate_model::bounds;

use super::Kind::{Bytes, Choice, Count, Duration, Either, Flag, Many, Text};
use super::gate::RATE;
use super::{Kind, Section, Setting};
use crate::config::Rule;

const MEDIA: Kind = Many(&Text("a media type: `application/json`, `application/*+json`, `text/*`"));
pub(super) const NETWORKS: Kind = Many(&Text("an address or network: `10.6.6.6`, `10.0.0.0/8`, `fd00::/8`"));
const WEBSOCKET_FORMS: &[Kind] = &[Choice(&["refuse", "allow"]), Kind::Section(&WEBSOCKET)];
const RULES: &[&str] = &rule_names();

const fn rule_names() -> [&'static str; Rule::ALL.len()] {
    let mut names = [""; Rule::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        #[expect(clippy::indexing_slicing, reason = "runs at compile time, where an index too far is a compile error")]
        {
            names[index] = Rule::ALL[index].name();
        }
        index += 1;
    }
    names
}

/// `apis.NAME`.
pub(super) static API: Section = Section {
    name: "api",
    title: "apis.NAME",
    doc: "A service behind the gate. With `path: /shop`, `GET /shop/orders/7` is forwarded as `GET /orders/7`.",
    groups: &[
        &[
            Setting::new(
                "host",
                Text("a host name; `*.example.com` stands for one more label"),
                "The host that callers use. Any host if not written.",
                "books.example.com",
            ),
            Setting::new("path", Text("a path: `/shop`"), "The prefix that callers use.", "/shop").default("/"),
            Setting::new(
                "public_url",
                Text("an http or https URL"),
                "Where callers find the API, for documents and links.",
                "https://api.example.com/shop",
            ),
            Setting::new(
                "upstream",
                Either(&[Text("an http or https URL"), Kind::Section(&UPSTREAM)]),
                "The server, or the servers, that answer.",
                "http://127.0.0.1:9000",
            )
            .needed(),
            Setting::new(
                "keys",
                Kind::Section(&KEYS),
                "Where a key may stand in a call.",
                "{ header: X-API-Key, bearer: true, query: false }",
            ),
            Setting::new(
                "tokens",
                Kind::Section(&TOKENS),
                "Which access tokens count.",
                "{ audience: \"https://api.example.com\" }",
            ),
            Setting::new(
                "unlisted",
                Choice(&["refuse", "forward"]),
                "What happens to calls that match no route. Without `routes`, everything below the prefix is forwarded.",
                "forward",
            )
            .default("refuse"),
            Setting::new(
                "routes",
                Kind::Routes(&ROUTE),
                "A list of `METHOD /path: {…}`. The method may be several (`GET|HEAD`) or `*`; `{name}` stands for one \
                 segment, `/**` at the end for the rest. The most specific one decides; the guards of every one that \
                 matches apply.",
                "[GET /books: {}, \"* /admin/**\": { ip: { allow: [10.9.0.0/16] } }]",
            ),
            Setting::new(
                "paths",
                Kind::Section(&PATHS),
                "Unusual paths that are refused unless allowed here.",
                "{ semicolons: allow }",
            ),
            Setting::new(
                "keep_override_headers",
                Flag,
                "Forwards `X-HTTP-Method-Override`, `X-Original-URL` and `X-Rewrite-URL` instead of dropping them.",
                "true",
            )
            .default("false"),
            Setting::later("contract", "leave it out: calls are not checked against a contract yet"),
        ],
        GUARDS,
    ],
};

/// A line of `routes`.
static ROUTE: Section = Section {
    name: "route",
    title: "apis.NAME.routes[]",
    doc: "What holds for one route. `ip`, `scopes` and `limits` add up over every route that matches; of `access`, \
          `timeout`, `accepts`, `body_max` and the other single values the most specific one counts.",
    groups: &[
        &[
            Setting::new(
                "rewrite",
                Text("a path with the names of the route's pattern: `/v2/orders/{id}`, `/v2/{**}`"),
                "Forwards to this path instead.",
                "\"/v2/{**}\"",
            ),
            Setting::new(
                "respond",
                Kind::Section(&RESPOND),
                "The gate answers by itself; nothing is forwarded.",
                "{ status: 410, body: gone }",
            ),
        ],
        GUARDS,
    ],
};

static ALL: Section = Section {
    name: "access_all",
    title: "apis.NAME.access",
    doc: "Several credentials at once, of one consumer.",
    groups: &[&[Setting::new(
        "all",
        Many(&Choice(&["key", "certificate"])),
        "All of these are needed. The key's plan, scopes and limits count.",
        "[key, certificate]",
    )
    .needed()]],
};

const ACCESS: Kind = Either(&[Many(&Choice(&["key", "token", "certificate", "public"])), Kind::Section(&ALL)]);

/// What an API and a route can both say.
const GUARDS: &[Setting] = &[
    Setting::new(
        "access",
        ACCESS,
        "Who may call: holders of a key, of an access token, of a client certificate, of one of several (a list) or of all of \
         them (`all`); or anybody.",
        "public",
    )
    .default("key; on a route: the API's"),
    Setting::new("mode", Choice(&["enforce", "observe"]), "`observe` only watches the rules written here.", "observe")
        .default("enforce"),
    Setting::new("observe", Many(&Choice(RULES)), "Single rules that only watch.", "[limits]"),
    Setting::new("ip", Kind::Section(&IP), "The addresses that may call.", "{ allow: [10.0.0.0/8], deny: [10.6.6.6] }"),
    Setting::new("accepts", MEDIA, "The types of request bodies; others hear 415.", "[application/json]"),
    Setting::new(
        "produces",
        MEDIA,
        "The types of responses: a call that accepts none of them hears 406, a response of another type becomes 502.",
        "[application/json]",
    ),
    Setting::new("well_formed", Flag, "Refuses JSON and XML bodies that are not well-formed for their type.", "true")
        .default("false"),
    Setting::new(
        "scopes",
        Many(&Text("a scope")),
        "The scopes that a credential must have, all of them.",
        "[orders:write]",
    ),
    Setting::new(
        "limits",
        Many(&RATE),
        "How fast: per api on an API and per route on a route, unless they say.",
        "[50/s per ip]",
    ),
    Setting::new("concurrent", Count(1, 1_000_000), "Calls at once.", "100"),
    Setting::new("timeout", Duration, "Until the upstream's response head, repeats included.", "10s").default("30s"),
    Setting::new("idle", Duration, "Between two bytes of a body.", "60s").default("60s"),
    Setting::new(
        "total",
        Either(&[Duration, Choice(&["off"])]),
        "From the head of a call to the end of its answer.",
        "5m",
    )
    .default("off"),
    Setting::new("body_max", Bytes, "Bytes of a request body; longer ones hear 413.", "1MiB").default("10MiB"),
    Setting::new(
        "cors",
        Kind::Section(&CORS),
        "Calls from browsers on other origins.",
        "{ origins: [\"https://shop.example.com\"] }",
    ),
    Setting::new(
        "headers",
        Kind::Section(&HEADERS),
        "Header fields set and removed on the way.",
        "{ request: { set: { X-Env: prod } } }",
    ),
    Setting::new(
        "websocket",
        Either(WEBSOCKET_FORMS),
        "Whether a call may become a WebSocket: every rule is asked first, then frames pass. `allow` is the section with \
         its defaults.",
        "allow",
    )
    .default("refuse"),
    Setting::new(
        "idempotency_key",
        Choice(&["repeat", "ignore"]),
        "`repeat`: when a server fails without an answer, a call with an `Idempotency-Key` may be sent again whatever its \
         method, with its body if that was declared to have 64 KiB at most. Only for upstreams whose servers together do \
         once what they are told twice with one key.",
        "repeat",
    )
    .default("ignore"),
];

static UPSTREAM: Section = Section {
    name: "upstream",
    title: "apis.NAME.upstream",
    doc: "The long form. `upstream: URL` is short for `{ server: URL }`.",
    groups: &[&[
        Setting::new(
            "server",
            Text("an http or https URL"),
            "The server; a path in it is put before every forwarded path.",
            "http://127.0.0.1:9000",
        ),
        Setting::new(
            "servers",
            Many(&Either(&[Text("an http or https URL"), Kind::Section(&UPSTREAM_SERVER)])),
            "Several, instead of `server`. A call goes to the less busy of two that are drawn by their weights.",
            "[\"http://10.0.0.7:9000\", { url: \"http://10.0.0.8:9000\", weight: 2 }]",
        ),
        Setting::new("host", Choice(&["upstream", "caller"]), "Whose `Host` is sent on.", "caller").default("upstream"),
        Setting::new("idle", Duration, "How long a connection without a call is kept.", "4s").default("4s"),
        Setting::new(
            "protocol",
            Choice(&["http1", "http2", "auto"]),
            "Which HTTP the server is spoken to in. With `http2` calls share connections; `auto` leaves it to an https server. gRPC needs `http2`.",
            "http2",
        )
        .default("http1"),
        Setting::new(
            "max_connections",
            Count(1, bounds::UPSTREAM_CONNECTIONS_MAX as u64),
            "How many connections each server may have, over all workers. A call that finds all in use waits a second, and then \
             hears 503 `upstream_busy`. Over HTTP/2, where calls share connections, write one for each worker at least.",
            "100",
        ),
        Setting::new(
            "tls",
            Kind::Section(&UPSTREAM_TLS),
            "Whom the gate trusts as the server, and the certificate that it shows to it.",
            "{ ca: tls/ca.pem, certificate: tls/gate.pem, key: tls/gate.key }",
        ),
        Setting::new(
            "health",
            Either(&[Text("a path on the servers"), Kind::Section(&UPSTREAM_HEALTH)]),
            "Asks each server whether it is well, and sends no calls to one that is not. A path alone is the section with \
             its defaults.",
            "/healthz",
        ),
    ]],
};

static UPSTREAM_SERVER: Section = Section {
    name: "upstream_server",
    title: "apis.NAME.upstream.servers[]",
    doc: "The long form of one of several servers. They must agree in scheme and path.",
    groups: &[&[
        Setting::new(
            "url",
            Text("an http or https URL"),
            "The server; a path in it is put before every forwarded path.",
            "http://10.0.0.8:9000",
        )
        .needed(),
        Setting::new(
            "weight",
            Count(1, bounds::UPSTREAM_WEIGHT_MAX as u64),
            "Its share of the calls, beside the others' weights: 1 beside 19 gets a twentieth.",
            "19",
        )
        .default("1"),
    ]],
};

static UPSTREAM_HEALTH: Section = Section {
    name: "upstream_health",
    title: "apis.NAME.upstream.health",
    doc: "How each server is asked whether it is well: by this process once, whatever the number of workers.",
    groups: &[&[
        Setting::new(
            "path",
            Text("a path on the servers"),
            "Asked with GET, as it is written: the path of the servers' URLs is not put before it.",
            "/healthz",
        )
        .needed(),
        Setting::new("every", Duration, "Between two checks of a server, give or take a tenth.", "5s").default("5s"),
        Setting::new("timeout", Duration, "Until the whole answer; at most `every`.", "1s")
            .default("2s, or `every` if that is less"),
        Setting::new("status", Many(&Count(100, 599)), "Good statuses.", "[200, 204]").default("any from 200 to 299"),
        Setting::new(
            "fall",
            Count(1, bounds::HEALTH_IN_A_ROW_MAX as u64),
            "Failed checks in a row before a server gets no more calls.",
            "3",
        )
        .default("3"),
        Setting::new(
            "rise",
            Count(1, bounds::HEALTH_IN_A_ROW_MAX as u64),
            "Good checks in a row before it gets calls again, few at first.",
            "2",
        )
        .default("2"),
    ]],
};

static UPSTREAM_TLS: Section = Section {
    name: "upstream_tls",
    title: "apis.NAME.upstream.tls",
    doc: "For `https` servers. The files are watched: what is renewed is taken without a restart.",
    groups: &[&[
        Setting::new("ca", Text("a PEM file"), "Certificate authorities to trust besides the system's.", "tls/ca.pem"),
        Setting::new(
            "certificate",
            Text("a PEM file"),
            "The chain to show to servers that ask for a certificate, the gate's own first.",
            "tls/gate.pem",
        ),
        Setting::new("key", Text("a PEM file"), "The private key of `certificate`.", "tls/gate.key"),
    ]],
};

static TOKENS: Section = Section {
    name: "tokens",
    title: "apis.NAME.tokens",
    doc: "Which access tokens count here. The gate removes them before it forwards.",
    groups: &[&[
        Setting::new(
            "issuers",
            Many(&Text("`self`, or the URL of an issuer")),
            "Whose tokens: `self` is the gate's own issuer. Another one is named by its URL, letter by letter as its tokens have \
             it; `issuers` at the top of the file says more about it.",
            "[self, https://id.example.org]",
        )
        .default("self"),
        Setting::new(
            "audience",
            Text("an http or https URL; without `self` among the issuers any text without spaces"),
            "Whom a token must be for (`aud`). For the gate's own: what its client named as `resource` when it asked for it.",
            "https://api.example.com",
        )
        .default("`public_url`; for the gate's own tokens also the issuer's URL, which stands for clients that named nothing"),
        Setting::new(
            "consumer",
            Kind::Section(&TOKENS_CONSUMER),
            "Which consumer a token of another issuer is of.",
            "{ claim: azp }",
        )
        .default("the one that has the name of the token's client"),
    ]],
};

static TOKENS_CONSUMER: Section = Section {
    name: "tokens_consumer",
    title: "apis.NAME.tokens.consumer",
    doc: "What a token of another issuer says of the consumer. An issuer can name every consumer unless its \
          `consumers` say otherwise; one that nobody made here hears 403 `consumer_unknown`.",
    groups: &[&[Setting::new(
        "claim",
        Text("the name of a claim"),
        "A claim of the token whose text is the name of a consumer. Nobody but the issuer may choose what is in it.",
        "azp",
    )
    .needed()]],
};

static KEYS: Section = Section {
    name: "keys",
    title: "apis.NAME.keys",
    doc: "Where a key may stand in a call. The gate removes it before it forwards.",
    groups: &[&[
        Setting::new("header", Either(&[Text("a header name"), Flag]), "A header; `false` for none.", "X-API-Key")
            .default("X-API-Key"),
        Setting::new("bearer", Flag, "`Authorization: Bearer`.", "true").default("true"),
        Setting::new(
            "query",
            Either(&[Text("a parameter name"), Flag]),
            "A query parameter. It is removed and never logged, but proxies in front and browsers' histories keep it.",
            "api_key",
        )
        .default("false"),
    ]],
};

/// Addresses, for listeners, APIs and routes.
pub(super) static IP: Section = Section {
    name: "ip",
    title: "ip",
    doc: "Of a listener, an API or a route. `deny` wins; without `allow`, every other address may call.",
    groups: &[&[
        Setting::new("allow", NETWORKS, "Only these.", "[10.0.0.0/8, 127.0.0.1]"),
        Setting::new("deny", NETWORKS, "Not these.", "[10.6.6.6]"),
    ]],
};

static PATHS: Section = Section {
    name: "paths",
    title: "apis.NAME.paths",
    doc: "Paths that a server may read otherwise than the gate, and that are refused for that reason.",
    groups: &[&[
        Setting::new("encoded_separators", Choice(&["refuse", "allow"]), "`%2F` and `%5C`.", "allow").default("refuse"),
        Setting::new("semicolons", Choice(&["refuse", "allow"]), "`;` in a segment.", "allow").default("refuse"),
        Setting::new(
            "case_variants",
            Choice(&["refuse", "allow"]),
            "A path that equals a guarded one but for its case.",
            "allow",
        )
        .default("refuse"),
    ]],
};

static RESPOND: Section = Section {
    name: "respond",
    title: "apis.NAME.routes[].respond",
    doc: "An answer of the gate's own, for redirects and fixed responses.",
    groups: &[&[
        Setting::new("status", Count(200, 599), "The status.", "308").default("200"),
        Setting::new("headers", Kind::Fields, "Header fields.", "{ Location: \"https://www.example.com/\" }"),
        Setting::new("body", Text("a text"), "The body.", "moved").default("empty"),
    ]],
};

static CORS: Section = Section {
    name: "cors",
    title: "cors",
    doc: "Calls from browsers on other origins (CORS). A preflight is answered by the gate.",
    groups: &[&[
        Setting::new(
            "origins",
            Many(&Text("an origin: `https://shop.example.com`, or `*` alone")),
            "Who may call.",
            "[\"https://shop.example.com\"]",
        )
        .needed(),
        Setting::new("credentials", Flag, "Whether cookies may be sent; never with `*`.", "true").default("false"),
        Setting::new(
            "headers",
            Many(&Text("a header name")),
            "Request fields that a script may send, besides the safelisted ones (`Content-Type` among them) and the API's key header.",
            "[X-Request-Id]",
        ),
        Setting::new(
            "expose",
            Many(&Text("a header name")),
            "Response fields that a script may read, besides the gate's own.",
            "[ETag]",
        ),
        Setting::new("max_age", Duration, "How long a browser remembers a preflight.", "10m").default("10m"),
    ]],
};

static WEBSOCKET: Section = Section {
    name: "websocket",
    title: "websocket",
    doc: "What an open WebSocket is held to. It counts as a running call, for `concurrent` too, and `total` ends it.",
    groups: &[&[
        Setting::new("idle", Duration, "Without a frame in either direction, pings included.", "5m").default("5m"),
        Setting::new("lifetime", Duration, "From its opening to its end.", "24h").default("24h"),
        Setting::new("message_max", Bytes, "Bytes of one message; a longer one ends it with 1009.", "1MiB")
            .default("1MiB"),
    ]],
};

static HEADERS: Section = Section {
    name: "headers",
    title: "headers",
    doc: "Header fields, set and removed after the gate's own were added.",
    groups: &[&[
        Setting::new(
            "request",
            Kind::Section(&HEADER_CHANGES),
            "On the way to the upstream.",
            "{ set: { X-Env: prod }, remove: X-Debug }",
        ),
        Setting::new("response", Kind::Section(&HEADER_CHANGES), "On the way back.", "{ remove: [Server] }"),
    ]],
};

static HEADER_CHANGES: Section = Section {
    name: "header_changes",
    title: "headers.request, headers.response",
    doc: "`env:NAME` and `file:PATH` as a whole value stand for a secret from the environment or a file.",
    groups: &[&[
        Setting::new(
            "set",
            Kind::Fields,
            "Set to this value, whatever was there.",
            "{ X-Env: prod, Authorization: env:UPSTREAM_TOKEN }",
        ),
        Setting::new("remove", Many(&Text("a header name")), "Removed.", "[X-Debug]"),
    ]],
};
