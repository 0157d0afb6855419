//! Every fixed safety cap of the product, in one table: named, justified, and tested where it acts.
//!
//! A bound is not a limit: limits and quotas are what an operator sells, bounds are what keeps the gate standing.

use std::time::Duration;

/// Bytes of a request head, request line included. nginx 32 KiB, Envoy 60 KiB; real heads with large cookies fit in 16.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Header fields in a head. Envoy and hyper allow 100; browsers with client hints send about 40.
pub const HEAD_FIELDS_MAX: usize = 100;
/// Bytes of the request target (RFC 9110 section 4.1 asks for at least 8000).
pub const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Bytes of one header field's value.
pub const FIELD_VALUE_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a chunk-size line with its extensions; extensions carry nothing we forward.
pub const CHUNK_LINE_BYTES_MAX: usize = 256;
/// Bytes of chunk extensions in a whole body: a million small chunks with one each are an old way to waste a server.
pub const CHUNK_EXTENSIONS_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a trailer section.
pub const TRAILER_BYTES_MAX: usize = 16 * 1024;
/// Segments of a path.
pub const PATH_SEGMENTS_MAX: usize = 128;
/// Hops of a forwarding field that are walked from the right; real chains have three or four.
pub const FORWARD_HOPS_MAX: usize = 32;

/// From the first byte of a head to its last (slowloris).
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// A kept-alive connection without a call.
pub const IDLE_TIME_MAX: Duration = Duration::from_secs(75);
/// Bytes behind the fixed part of a PROXY header of version 2. Its extensions are not read; balancers send some hundred.
pub const PROXY_HEADER_BYTES_MAX: usize = 4 * 1024;
/// The PROXY header, and then the TLS handshake.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of the certificates that a client shows. They are kept as long as its connection; real chains have two or three
/// certificates of 1 to 2 KiB.
pub const CLIENT_CHAIN_BYTES_MAX: usize = 16 * 1024;
/// Between two bytes of a body, either way.
pub const BODY_IDLE_MAX: Duration = Duration::from_secs(60);
/// After this long a request body must have come at the rate below.
pub const BODY_RATE_GRACE: Duration = Duration::from_secs(20);
/// Bytes per second that a request body must average after the grace: a trickle holds an upstream connection.
pub const BODY_RATE_MIN_PER_S: u64 = 240;
/// How long a write may wait for a client that does not read.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// After a refusal sent early: how long, and how much, is still read and discarded so that the client sees the answer.
pub const LINGER_TIME_MAX: Duration = Duration::from_secs(10);
/// See [`LINGER_TIME_MAX`].
pub const LINGER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long nothing may come meanwhile: who is still sending pauses no longer, and who is not has the answer by then. A stop
/// waits for connections that end, and some clients never close theirs.
pub const LINGER_QUIET_TIME_MAX: Duration = Duration::from_secs(2);

/// The least that `memory` can be set to: an idle gate takes about 30 MiB, its queues of records up to 60 more.
pub const MEMORY_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// File descriptors that connections leave to the gate itself: 64 each for health and the admin API, and the databases, logs,
/// listeners and watches. The rest is for connections, two descriptors each: one to the client, one to an upstream.
pub const FILES_RESERVED: u64 = 192;
/// Connections that there may be however few files may be open: too few are better seen than none.
pub const CONNECTIONS_MIN: usize = 16;
/// Connections at one time, all listeners together, where the limit of open files has room for them.
pub const CONNECTIONS_MAX: usize = 50_000;
/// Connections at one time from one address (IPv6: one /64). NATs of whole offices stay well below.
pub const CONNECTIONS_PER_IP_MAX: usize = 1_000;
/// Concurrent HTTP/2 streams of a connection (RFC 9113 section 6.5.2 recommends at least 100).
pub const H2_STREAMS_MAX: u32 = 128;

/// Default cap of a request body.
pub const BODY_BYTES_DEFAULT: u64 = 10 * 1024 * 1024;
/// Bodies that a policy must see whole are buffered up to this, whatever `body_max` says.
pub const BODY_BUFFER_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of a request body to the gate's own issuer: a form with a secret and a few URLs.
pub const LOCAL_BODY_BYTES_MAX: u64 = 64 * 1024;
/// Nesting of a JSON or XML body that is checked for being well-formed.
pub const BODY_DEPTH_MAX: usize = 128;
/// Bytes of an upstream's response head.
pub const UPSTREAM_HEAD_BYTES_MAX: usize = 128 * 1024;
/// Until the upstream accepted the connection.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a name of a server in use is taken for what it was, before it is looked up again without a call's waiting for it.
pub const NAME_KEPT_TIME: Duration = Duration::from_secs(10);
/// How long a new connection waits for a look-up where addresses are known from before; past it, these serve.
pub const NAME_TIME_MAX: Duration = Duration::from_secs(1);
/// Until the upstream's response head, when the API does not say.
pub const UPSTREAM_TIME_DEFAULT: Duration = Duration::from_secs(30);
/// How long an upstream connection is kept without a call; many servers close at 5 s.
pub const UPSTREAM_IDLE_DEFAULT: Duration = Duration::from_secs(4);
/// Servers of one upstream: the way of a call remembers which it has tried in one 64-bit word.
pub const UPSTREAM_SERVERS_MAX: usize = 64;
/// Weight of one server beside the others': a thousandth is the smallest canary that can be told from none.
pub const UPSTREAM_WEIGHT_MAX: u32 = 1_000;
/// How often a call is sent again, to other servers, after failures that allow it.
pub const REPEATS_PER_CALL_MAX: u32 = 2;
/// Repeats that an upstream's calls save up, one for five of them: load grows by a fifth, and not by a quiet day's fifth at once.
pub const REPEATS_SAVED_MAX: u32 = 10;
/// Bytes of a body that is held so that a call with an idempotency key can be sent again: orders and payments have some KiB.
pub const REPEATED_BODY_BYTES_MAX: u64 = 64 * 1024;
/// How long a server that failed is left out, the first time; each time after that it is twice as long.
pub const LEFT_OUT_TIME_MIN: Duration = Duration::from_secs(1);
/// The longest that a server is left out before a call tries it again.
pub const LEFT_OUT_TIME_MAX: Duration = Duration::from_secs(10);
/// What `max_connections` of a server may be: as many as there are ports to connect from, nearly.
pub const UPSTREAM_CONNECTIONS_MAX: u32 = 60_000;
/// How long a call waits for a connection where `max_connections` are in use; past it, it is refused.
pub const UPSTREAM_ROOM_TIME_MAX: Duration = Duration::from_secs(1);
/// Calls that wait so at one time, for one server; those that come after are refused at once.
pub const UPSTREAM_WAITING_MAX: usize = 1_024;
/// The shortest time between two health checks of a server; more of them tell nothing new and are load.
pub const HEALTH_EVERY_MIN: Duration = Duration::from_millis(100);
/// The longest: an hour that nobody looks is no check.
pub const HEALTH_EVERY_MAX: Duration = Duration::from_secs(3600);
/// Checks in a row that may be asked for before a server is left out, or let in.
pub const HEALTH_IN_A_ROW_MAX: u32 = 100;
/// Bytes of the body of a server's health that are read; whatever follows is not waited for.
pub const HEALTH_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Health checks at one time: a thousand silent servers must not hold a thousand descriptors for them.
pub const HEALTH_CHECKS_MAX: usize = 64;
/// Idle connections kept per worker and server.
pub const UPSTREAM_IDLE_CONNECTIONS_MAX: usize = 64;
/// Calls at one time on an HTTP/2 connection to an upstream; servers allow 100 to 250.
pub const UPSTREAM_STREAMS_MAX: usize = 256;
/// HTTP/2 connections per worker and server; past it calls wait for one of the others to end.
pub const UPSTREAM_SHARED_CONNECTIONS_MAX: usize = 16;
/// An HTTP/2 upstream that says nothing for this long, with calls waiting for it, is asked by a ping whether it is there.
pub const UPSTREAM_SILENCE_MAX: Duration = Duration::from_secs(20);
/// Until the answer to a ping; past it the connection is given up.
pub const UPSTREAM_PING_TIME_MAX: Duration = Duration::from_secs(10);

/// How often the keys of open WebSockets and long answers are looked at: a revoked one's are to be over within a second.
pub const CREDENTIAL_WATCH_EVERY: Duration = Duration::from_millis(250);
/// From when on an answer that still streams has its key looked at; nearly all are over by then.
pub const CREDENTIAL_WATCHED_AFTER: Duration = Duration::from_millis(500);
/// A WebSocket without a byte in either direction, when the API does not say. Clients and servers that mean to stay ping
/// every 20 to 60 s.
pub const WEBSOCKET_IDLE_DEFAULT: Duration = Duration::from_secs(5 * 60);
/// A WebSocket's whole time, when the API does not say: nobody holds a place for ever.
pub const WEBSOCKET_LIFETIME_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes of one message of a WebSocket, when the API does not say. The gate holds none; the server behind it may.
pub const WEBSOCKET_MESSAGE_BYTES_DEFAULT: u64 = 1024 * 1024;
/// Fragments without a byte in one message of a WebSocket: no bound on bytes ends a message of them. Libraries that write a
/// stream may begin or end it with one.
pub const WEBSOCKET_EMPTY_FRAGMENTS_MAX: u32 = 64;
/// Bytes of a WebSocket held in each direction, while the receiver takes no more.
pub const WEBSOCKET_HELD_BYTES_MAX: usize = 16 * 1024;
/// How long the other side may take to answer a Close; then the connections are cut.
pub const WEBSOCKET_CLOSE_TIME_MAX: Duration = Duration::from_secs(5);
/// How long the gate tries to say its own Close, the frame under way before it included; and how long a server may take to
/// read it. A revoked credential's session is to be over within a second.
pub const WEBSOCKET_TELL_TIME_MAX: Duration = Duration::from_millis(500);

/// How long connections have to end when the gate stops, when the configuration does not say: as long as a call may wait
/// for its upstream by default.
pub const DRAIN_TIME_DEFAULT: Duration = Duration::from_secs(30);
/// Each part of a drain: a gate that is told to stop does so within two hours, whatever its clients do.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(3_600);

/// Files that a process should be able to open: two thousand clients, each with a call at an upstream.
pub const FILES_MIN: u64 = 4_096;

/// Until the next byte of a pipe that stands in the place of the configuration or of a secret; past it, it is refused.
pub const PIPED_FILE_TIME_MAX: Duration = Duration::from_secs(10);

/// When a gate is handed to another process: from the pause of administrative acts until that one serves.
pub const UPGRADE_TIME_MAX: Duration = Duration::from_secs(30);
/// Sockets that go along, which the kernel passes in one message (SCM_MAX_FD is 253).
pub const UPGRADE_SOCKETS_MAX: usize = 250;

/// Records waiting for the recorder; refusals have a queue of their own of the same size.
pub const RECORD_QUEUE_MAX: usize = 65_536;
/// Addresses with a limit cell of their own; past it, whole /24 and /48 networks share one.
pub const ADDRESS_CELLS_MAX: usize = 1 << 17;
/// Failed-credential addresses remembered for the lockout.
pub const LOCKOUT_CELLS_MAX: usize = 1 << 16;
/// Entries of an audit listing, and of a log search.
pub const LISTING_MAX: usize = 10_000;
/// Bytes of `calls.db` by default.
pub const CALLS_DB_BYTES_MAX: u64 = 1 << 30;
/// Label sets of one metric; past it, calls are counted under `other`. A scrape of this many lines is about 1 MiB.
pub const METRIC_SERIES_MAX: usize = 10_000;
/// Names (APIs, routes, consumers) that the recorder remembers; past it they are all `other`. About 100 bytes each.
pub const RECORDED_NAMES_MAX: usize = 1 << 20;
/// Buffers of the access log (64 KiB each) waiting for a target that does not take them; past it, lines are lost and counted.
pub const LOG_BUFFERS_MAX: usize = 64;
/// Bytes of the access log's file before it is rotated, when `log.rotate` does not say.
pub const LOG_FILE_BYTES_DEFAULT: u64 = 100 * 1024 * 1024;
/// The least that can be said: lines are written in buffers of 64 KiB, and one must fit with room to spare.
pub const LOG_FILE_BYTES_MIN: u64 = 128 * 1024;
/// Rotated files kept, when `log.rotate` does not say.
pub const LOG_FILES_KEPT_DEFAULT: u32 = 5;
/// The most that can be said: each rotation renames every one of them while lines wait.
pub const LOG_FILES_KEPT_MAX: u64 = 100;
/// Messages of the gate itself waiting for a standard error that nobody reads; past it, they are lost and counted.
pub const MESSAGES_WAITING_MAX: usize = 1_024;
/// Rows of usage waiting for `calls.db`; a row is one key on one route with one status in one hour.
pub const USAGE_ROWS_MAX: usize = 1 << 18;
/// Recent calls waiting for `calls.db` while it is busy.
pub const STORED_CALLS_WAITING_MAX: usize = 8_192;
/// Records that a `log --follow` may lag behind before it misses some.
pub const FOLLOW_QUEUE_MAX: usize = 1_024;
/// Recent calls kept per second before sampling begins.
pub const RECENT_CALLS_PER_S_MAX: u32 = 200;
/// Bytes kept of a user agent, a path or any other text that a caller chose.
pub const RECORDED_TEXT_BYTES_MAX: usize = 512;
/// Bytes of a presented credential; longer ones are unknown without being hashed.
pub const CREDENTIAL_BYTES_MAX: usize = 4 * 1024;
/// Scopes, APIs or addresses of one key: each is compared on a call.
pub const KEY_GRANTS_MAX: usize = 64;
/// How long an access token is valid. Nothing waits for its end: revoked ones are dead at once.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(600);
/// How long a code is good for: the browser brings it back at once. RFC 6749 section 4.1.2 allows ten minutes at most.
pub const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// How long a rotated refresh token may be presented again, while nobody has used its successor: an answer got lost, or two
/// threads asked at once. Longer only helps a thief.
pub const REFRESH_AGAIN_WITHIN: Duration = Duration::from_secs(10);
/// A refresh token that nobody uses ends after this: a device that lies in a drawer is signed out.
pub const REFRESH_IDLE_MAX: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// However often it is used, a person signs in again after this.
pub const REFRESH_LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// A session that nobody uses: somebody left the machine.
pub const SESSION_IDLE_MAX: Duration = Duration::from_secs(60 * 60);
/// However much it is used, a session ends after this: a working day, with its breaks.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Browsers in which one person is signed in at once; the one used longest ago ends when another begins.
pub const SESSIONS_PER_USER_MAX: u32 = 32;
/// Sign-ins of one person that one client leads on at once: their devices. The one used longest ago ends when another begins.
pub const FAMILIES_MAX: u32 = 64;
/// Characters of a password. Shorter ones are guessed offline whatever hashes them; longer ones only cost time.
pub const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 12..=256;
/// Passwords being hashed at one time: each takes 19 MiB and a core for tens of milliseconds.
pub const PASSWORD_HASHES_MAX: usize = 2;
/// Passwords waiting to be hashed; who comes after them hears 503 at once. A queue of these is well under a second.
pub const PASSWORDS_WAITING_MAX: usize = 16;
/// Accounts and addresses whose failed sign-ins are remembered; past it, the ones whose time is over longest go first.
pub const SIGN_INS_REMEMBERED_MAX: usize = 1 << 16;
/// Redirects of one client: each is compared when somebody signs in.
pub const REDIRECTS_MAX: usize = 16;
/// Bytes of a redirect: it stands in addresses, which have bounds elsewhere.
pub const REDIRECT_BYTES_MAX: usize = 512;
/// Bytes of `state` in a request for authorization: it is given back in an address.
pub const STATE_BYTES_MAX: usize = 1_024;
/// How much longer a revocation is kept than the tokens that it is about: a clock that jumps ahead and back by less must
/// not bring one back.
pub const CUT_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Verified tokens remembered, so that a signature is checked once and not on every call; about 1 KiB each.
pub const TOKENS_REMEMBERED_MAX: usize = 65_536;
/// Bytes of a proof of possession; it is small, and nothing of it is kept.
pub const PROOF_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a proof's `jti`; a UUID has 36.
pub const PROOF_ID_BYTES_MAX: usize = 128;
/// How far the clock of whoever makes a proof may be from the gate's.
pub const PROOF_SKEW: Duration = Duration::from_secs(60);
/// How long after its start a process asks for its nonce: until no proof is young enough that was made before.
pub const PROOF_NONCE_LASTS: Duration = Duration::from_secs(120);
/// Places for proofs that were used, 8 bytes each, made with the first one: they hold 3,300 proofs a second for
/// the minute in which each could be used again. When a proof finds no place it is refused.
pub const PROOFS_REMEMBERED_MAX: usize = 1 << 20;
/// Issuers beside the gate's own. Each is a task that looks after its keys, and a handful of them is much.
pub const ISSUERS_MAX: usize = 64;
/// Bytes of a token of another issuer; those with hundreds of groups in them reach 6 KiB. Longer ones are unknown without
/// being looked into.
pub const FOREIGN_TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Bytes of one text in such a token that the gate works with: its client, subject, a scope, an audience, a `kid`.
pub const FOREIGN_CLAIM_BYTES_MAX: usize = 255;
/// Verified tokens of other issuers that are remembered; 2 to 16 KiB each.
pub const FOREIGN_TOKENS_REMEMBERED_MAX: usize = 16_384;
/// How far another issuer's clock may be from ours, either way: what RFC 7519 section 4.1.4 calls a few minutes at most.
pub const ISSUER_SKEW_MAX: Duration = Duration::from_secs(60);
/// Clients of other issuers with limit cells of their own; further ones of an issuer share one.
pub const FOREIGN_CLIENTS_MAX: usize = 65_536;
/// Bytes of an issuer's metadata, or of its key set; real ones have 1 to 20 KiB.
pub const ISSUER_ANSWER_BYTES_MAX: usize = 256 * 1024;
/// For each of the two, from the look-up of the name to the last byte.
pub const ISSUER_ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Keys of an issuer. It publishes the next, the current and the previous one of a few algorithms.
pub const ISSUER_KEYS_MAX: usize = 64;
/// How long keys are taken for what they were, when the issuer does not say (`Cache-Control: max-age`).
pub const ISSUER_KEYS_FRESH_DEFAULT: Duration = Duration::from_secs(600);
/// The shortest time that it can say: a minute's load is what one gate may cause.
pub const ISSUER_KEYS_FRESH_MIN: Duration = Duration::from_secs(60);
/// The longest: a key that an issuer withdraws is out of use within an hour.
pub const ISSUER_KEYS_FRESH_MAX: Duration = Duration::from_secs(3_600);
/// How long the last good keys serve while the issuer does not answer. Past it nobody knows whether they were withdrawn.
pub const ISSUER_KEYS_STALE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Looks at an issuer's keys, for tokens with a key that is not known, that may come at once.
pub const ISSUER_LOOKS_AT_ONCE_MAX: u32 = 4;
/// Between two of them after that, whatever tokens come: keys that nobody published cost the issuer 12 requests a minute.
pub const ISSUER_LOOK_EVERY_MIN: Duration = Duration::from_secs(5);
/// How long a call waits for a key that is not known yet.
pub const ISSUER_LOOK_WAIT_MAX: Duration = Duration::from_millis(500);
/// How long a key that an issuer was found not to have is taken for none, without another look.
pub const ISSUER_KEY_ABSENT_TIME: Duration = Duration::from_secs(30);
/// How many such keys of an issuer are remembered.
pub const ISSUER_KEYS_ABSENT_MAX: usize = 64;
/// Characters of a key's label.
pub const KEY_LABEL_CHARS_MAX: usize = 128;
/// Characters of a key brought from elsewhere. Below 16 it could be guessed.
pub const IMPORTED_KEY_CHARS: std::ops::RangeInclusive<usize> = 16..=512;
/// Bytes of a request body of the admin API.
pub const ADMIN_BODY_BYTES_MAX: usize = 64 * 1024;
/// Connections to the admin API at one time; each is a person or a script.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
