//! What there is to say about every code, beside its title: when it arises, what the caller and the operator do.
//!
//! A new code does not compile before it has its lesson.

use callgate_model::Code;

/// The lesson of one code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lesson {
    /// When it arises.
    pub(crate) when: &'static str,
    /// What the caller does.
    pub(crate) caller: &'static str,
    /// What the operator does.
    pub(crate) operator: &'static str,
    /// One call that gets it.
    pub(crate) example: &'static str,
}

macro_rules! lessons {
    ($($code:ident: $when:literal, $caller:literal, $operator:literal, $example:literal;)*) => {
        /// The lesson of a code.
        pub(crate) fn lesson(code: Code) -> Lesson {
            match code {
                $(Code::$code => Lesson { when: $when, caller: $caller, operator: $operator, example: $example },)*
            }
        }
    };
}

lessons! {
    Overloaded:
        "The gate is at one of its own bounds: connections in all or from one address, memory (setting `memory`), or open files.",
        "Wait for the time in Retry-After. Keep connections open and use them again instead of opening one per call.",
        "Look at callgate_connections and callgate_memory_bytes on /metrics, each beside its bound. If one address holds most connections, deny it; if large bodies fill the memory, lower `body_max` on routes that look at them whole; else add a gate, or give this one more memory and open files.",
        "A load test from one machine opens its 1,001st connection.";
    MalformedRequest:
        "The bytes of the request are not HTTP as two parsers would read it alike: two Content-Lengths, Content-Length beside Transfer-Encoding, a bare line feed, a folded or nameless header, no Host or two, a path with encoded separators or one that climbs above its root.",
        "Use an HTTP library rather than writing bytes by hand, and percent-encode path segments one by one.",
        "Only the path rules are a setting (`apis.NAME.paths`); framing is never let through, because a server behind the gate could read another request out of it (request smuggling). Many of these from one address are a scan.",
        "`GET /shop/..%2fadmin` or a POST with both `Content-Length: 5` and `Transfer-Encoding: chunked`.";
    RequestTimeout:
        "The head was not complete in its time, or the body came too slowly or paused for too long.",
        "Send the head in one piece and the body without long pauses; compress large bodies on slow lines.",
        "Nothing, if it is a slow client. Many at once from few addresses are a slowloris attack: the bound is what stops it.",
        "A client sends `GET / HTTP/1.1` and then one header byte a second.";
    UriTooLong:
        "Path and query together are longer than 8 KiB.",
        "Move long parameters into the body of a POST or QUERY.",
        "Nothing: the bound is fixed. An API that needs longer targets needs another shape.",
        "A GET with 500 ids in its query.";
    Misdirected:
        "The call asks for a host that the certificate of this connection does not stand for.",
        "Open a connection for that name; a browser or a proxy that shares connections between names should not here.",
        "Check that every name in `apis.*.host` has a certificate of its own or is named by the one it shares.",
        "HTTP/2 to `a.example.com` carries a call with `:authority: b.example.com`.";
    HeadTooLarge:
        "The request line and fields are larger than 64 KiB together, a single value is larger than 32 KiB, or there are more than 100 of them.",
        "Send fewer or shorter fields. Mostly it is cookies: delete those of the site.",
        "Nothing: the bound is fixed. Look for a cookie that grows with every answer.",
        "A browser that collected 70 KiB of cookies.";
    MethodUnsupported:
        "The method is CONNECT or TRACE, which the gate never forwards, or no method name at all.",
        "Use the method that the API's documentation names.",
        "Nothing: CONNECT would make the gate an open tunnel, TRACE would echo credentials.",
        "`CONNECT example.com:443` from somebody who looks for open proxies.";
    NoSuchRoute:
        "No API answers on this host and path, or the API has `routes` and none of them matches.",
        "Compare host, prefix and path with the API's documentation; paths are case-sensitive.",
        "Add the route under `apis.NAME.routes`, or set `unlisted: forward` on the API. `callgate check --call 'GET /path'` shows where a call would go.",
        "`GET /shop/ordres/7` where the API lists `/orders/{id}`.";
    MethodNotAllowed:
        "The path is a route, but not for this method.",
        "Use one of the methods in the Allow field.",
        "Add the method to the routes of this path.",
        "`DELETE /shop/orders` where only GET and POST are listed.";
    CorsRefused:
        "A browser asked on behalf of a page whose origin the API does not list.",
        "Call from a page of a listed origin, or from a server, where CORS does not apply.",
        "Add the origin, with scheme and port, to `cors.origins` of the API or the route.",
        "A page on http://localhost:5173 calls an API that lists only https://shop.example.com.";
    IpDenied:
        "The client's address is in a `deny` list, or an `allow` list exists and does not hold it.",
        "Call from an address that the operator has allowed, for example through the office's network.",
        "See which list in the rule above. If the address shown is a proxy's, `trusted_proxies` is missing it, and every client behind it looks the same.",
        "A call from 10.6.6.6 where `ip: { deny: [10.6.6.6] }`.";
    RateLimited:
        "A limit (so many calls per time, with a burst) has no room for this call now. Limits per address are judged before the credential, the others after it.",
        "Wait for the time in Retry-After and then call more slowly; the RateLimit fields of every answer say how much is left.",
        "Raise the limit, give it a larger `burst`, or put the consumer on a larger plan. The limits of a step are all tested before any is charged, and a refused call charges none of them; those per address are a step of their own and may be charged already.",
        "The 11th call within a second where the plan says `limits: [10/s]`.";
    CredentialInClear:
        "A key came over http from somewhere else than loopback. Whoever is on the way can read it.",
        "Call over https, and have the key rotated: take it for known to others.",
        "Add `tls` to the listener, or let a proxy in `trusted_proxies` say https. `cleartext: allow` turns this off for a network that you trust.",
        "`curl http://api.example.com/shop/books -H 'X-API-Key: …'`.";
    UnsupportedContentType:
        "The call has a body whose Content-Type the route does not accept, or none at all.",
        "Set Content-Type to one of the types in the Accept field of the answer, and send a body of that type.",
        "Add the type to `accepts` of the API or the route; patterns such as `application/*+json` stand for many.",
        "`curl -d '{}'` sends `application/x-www-form-urlencoded` to a route that accepts `application/json`.";
    NotAcceptable:
        "The call's Accept field rules out every type that the route produces.",
        "Ask for one of the types that the API's documentation names, or leave Accept away.",
        "Add the type to `produces`, if the upstream makes it.",
        "`Accept: text/csv` to a route that produces `application/json`.";
    UpgradeRefused:
        "The call offers to become a WebSocket, and `websocket` is not written here, or is `refuse`.",
        "Call without `Upgrade`, or open the WebSocket at the path that the API names for it.",
        "Write `websocket: allow` on the route that opens WebSockets, and on no other.",
        "`new WebSocket(\"wss://api.example.com/shop/orders\")` on a route for plain calls.";
    WebsocketVersion:
        "The offer of a WebSocket is of another version than 13, the only one there ever was.",
        "Use a WebSocket library of this decade.",
        "Nothing: no other version has a specification.",
        "A client sends `Sec-WebSocket-Version: 8`.";
    BodyTooLarge:
        "The declared Content-Length, or what was counted while the body came, is more than the route takes.",
        "Send less at once: split the upload, or compress it.",
        "Raise `body_max` of the API or the route.",
        "A 12 MiB upload where `body_max` is 10MiB.";
    CredentialMissing:
        "The route needs a key or an access token, and the call has none in any of the places that the API reads.",
        "Send it where the answer says; a client of the issuer asks for a token first.",
        "Make a key with `callgate keys create CONSUMER`, or a client with `callgate clients create NAME`. `access: public` opens the route to everybody; `keys:` says where a key may stand.",
        "`curl https://api.example.com/shop/books` without `-H 'X-API-Key: …'`.";
    CredentialUnknown:
        "The credential does not have the shape of a key, its checksum is wrong, or no such key exists here. The answer is the same for all three.",
        "Check that it was copied whole, without quotes or blanks, and belongs to this API and environment.",
        "What the gate saw tells the three cases apart. Many from one address are guesses: the lockout slows them down.",
        "A key that lost its last character when it was copied.";
    CredentialExpired:
        "The key or token has an end, and that has passed.",
        "Ask for a new key; next time rotate before the end.",
        "`callgate keys rotate ID` makes its successor, with an overlap in which both work.",
        "A key made with `--expires 30d`, 31 days later.";
    CredentialNotYetValid:
        "The key has a start, and that has not come.",
        "Wait until then, or use the key before it.",
        "Check the machine's clock if the start has passed; otherwise make a key without `--not-before`.",
        "A partner tries next month's key today.";
    CredentialRevoked:
        "The key or token was revoked, alone or with its client. That works from the next call on.",
        "Ask the issuer for another token, or the operator for a new key.",
        "`callgate audit list` says who revoked it and when. What is revoked does not come back: make a new key; a client asks for a new token by itself.",
        "A key that was found in a public repository and revoked an hour ago.";
    TokenMisdirected:
        "The token is good, but its client asked for it for another API.",
        "Ask the issuer again, with the `resource` that the answer names.",
        "`tokens.audience` of the API, its `public_url` and the issuer's URL say for whom a token must be.",
        "A token for https://api.example.com is sent to https://files.example.com.";
    TokenUnproven:
        "The token is bound to a key (DPoP, RFC 9449) or to a client certificate (RFC 8705), so whoever only copied it can't use it; the call brought no proof, or one that is old, used before, or for another call.",
        "Send the token as `Authorization: DPoP …` with a new proof in `DPoP`, for this method and address, by the same key. If the answer has a `DPoP-Nonce`, put it into the proof.",
        "The explanation says what was wrong with the proof. An address that the caller knows by another name is `public_url`. In the first two minutes after a start a nonce is asked for.",
        "A token that was asked for with DPoP is sent as `Authorization: Bearer`.";
    ConsumerUnknown:
        "The token's issuer vouches for it, and it is meant for this API; but it names a consumer that nobody made here. Which of its claims names the consumer, `tokens.consumer` of the API says; without that it is the token's client.",
        "Ask the API's operator to make a consumer, with the name that stands in the token.",
        "The explanation has the name: `callgate consumers create NAME`, or another `tokens: { consumer: { claim: … } }`.",
        "A partner's new program with a client of its own, of which nobody was told.";
    IssuerUnavailable:
        "The token names a key that the gate has not seen, and its issuer could not be asked for it in time: it is down or slow, or it was asked a moment ago. Tokens by keys that are known pass meanwhile.",
        "Try again after the time in `Retry-After`.",
        "`callgate issuers list` says when each issuer was seen last and what was wrong then; `callgate issuers check URL` asks it now.",
        "The issuer's certificate ran out, and it began to sign with a new key.";
    CredentialAmbiguous:
        "The call carries two keys, in one place or in two, and it is not for the gate to choose.",
        "Send exactly one; look for a default header in the client's configuration.",
        "Nothing, mostly. If an upstream needs an Authorization field of its own, set `keys: { bearer: false }`.",
        "`X-API-Key: …` beside `Authorization: Bearer …` with another key.";
    CertificateMissing:
        "The API or route takes client certificates, and the connection's client showed none: it has none, or it was not asked because the listener lacks `client_certificates`, or something in front of the gate ends TLS.",
        "Connect with the certificate and its key; `curl --cert client.pem --key client.key`.",
        "Write `client_certificates` on the listener, and let TLS end at the gate: a balancer may pass it through with the PROXY protocol.",
        "A service whose new deployment lost its key file.";
    CertificateUnknown:
        "The client holds a certificate, but no authority that the listener asks for vouches for it now, or none of its names is a caller's. `detail` says which.",
        "Renew an expired certificate; otherwise ask the API's operator which authority and which name are known.",
        "Add the name under `authorities.NAME.callers`, and its consumer with `callgate consumers create`. Only subject alternative names count: hosts and URIs.",
        "A certificate with a common name and no subject alternative name.";
    LockedOut:
        "Too many wrong credentials came from this address lately, and here is another one. A valid key from the same address still passes.",
        "Stop retrying with the wrong key, correct it, and call again: the right one is taken at once.",
        "See `lockout`. If many clients share the address, it may be a proxy that `trusted_proxies` does not name.",
        "A deployment with yesterday's key retries 20 times in a minute.";
    ScopeMissing:
        "The key or token is good, but lacks a scope that the route asks for. All of a route's scopes are needed.",
        "Ask for a key or token with the scope that the answer names.",
        "Make a key with `callgate keys create CONSUMER --scope SCOPE`, or a client with `callgate clients create NAME --scope SCOPE`; or drop the scope from the route.",
        "A key with `orders:read` calls `POST /orders`, which has `scopes: [orders:write]`.";
    NotAllowed:
        "The key is good, but was made for other APIs or other addresses.",
        "Use the key that was issued for this API, from an address that it was issued for.",
        "`callgate keys show ID` lists its APIs and addresses.",
        "A key made with `--ip 192.0.2.0/24` is used from a laptop at home.";
    QuotaExhausted:
        "The calls of this hour, day or month are used up. Periods are calendar periods in UTC.",
        "Wait for the next period (Retry-After), or ask for a larger plan.",
        "Raise the plan's `quota`, or put the consumer on another: `callgate consumers plan NAME PLAN`.",
        "The 1,001st call of the day where the plan says `quota: 1000/day`.";
    TooManyAtOnce:
        "So many calls are running at the same time that another one has no place.",
        "Wait for running calls to end; use a queue or a pool of a fixed size.",
        "Raise `concurrent` of the plan, the API or the route; or find out why calls take long: `callgate stats`.",
        "51 downloads at once where the plan says `concurrent: 50`.";
    StoreUnavailable:
        "The gate needed the store for this call (mostly to account for a quota) and it did not answer in time. To let the call pass uncounted would be a guess.",
        "Try again after the time in Retry-After.",
        "Look at the disk of `data_dir`: it may be full or slow, or another program holds the database.",
        "A backup program locks the database for two seconds.";
    BodyMalformed:
        "The body is not well-formed JSON or XML although its Content-Type says so, or it is nested deeper than 128 levels.",
        "Correct the body at the place that the answer names; build it with a JSON library.",
        "Only routes with `well_formed: true` check this.",
        "`{\"title\": \"Dune\",}` with a comma too many.";
    ContractViolated:
        "The call does not fit the API's contract: a parameter, a field or the body is missing, of the wrong type or out of its range.",
        "Correct every violation that the answer lists.",
        "If the call is right, the contract is out of date. `mode: observe` on the contract records without refusing.",
        "`POST /orders` without the `book_id` that the OpenAPI document requires.";
    NoHealthyUpstream:
        "No server of the API is fit to be asked.",
        "Try again after the time in Retry-After.",
        "Look at the upstream's servers; the gate asks again by itself as soon as one answers.",
        "The only server is restarting.";
    UpstreamBusy:
        "Every connection that the server may have (`upstream: { max_connections: … }`) was in use for a second, or too many calls waited for one already.",
        "Try again after the time in Retry-After: nothing of the call has reached the server.",
        "Look at callgate_upstream_connections and callgate_upstream_calls_waiting on /metrics. If the server could take more, raise the number; if it can't, add a server, or limit the callers. Long answers and WebSockets hold a connection for as long as they last.",
        "`max_connections: 10`, and ten calls that each take two seconds.";
    UpstreamUnreachable:
        "No connection to the upstream came about (refused, no route, TLS failed, its name does not resolve), or the server closed it, or broke the call off, before it answered.",
        "Try again if no connection came about, or if the call changes nothing. Where the server broke off, the call may have taken effect: look before repeating it. If it lasts, tell the operator the call's id.",
        "What the gate saw names the error. Check `upstream`, and that the server runs and listens there.",
        "`upstream: http://127.0.0.1:9000` with nothing listening on port 9000.";
    UpstreamTimeout:
        "The upstream took the call, but its answer's head did not come in time.",
        "The call may have taken effect: look before repeating it.",
        "Raise `timeout` of the API or the route, or find what is slow behind it.",
        "A report that takes 40 seconds where `timeout` is 30s.";
    UpstreamInvalid:
        "The upstream answered with something that is not HTTP, broke off in the head, or sent a head beyond the bound.",
        "The call may have taken effect: look before repeating it, and tell the operator the call's id.",
        "What the gate saw names the fault. Often it is the wrong port, or https where the upstream speaks http.",
        "`upstream: http://…` to a port that speaks TLS.";
    Draining:
        "This gate was told to stop: it finishes what runs and takes nothing new.",
        "Try again on a new connection: another instance answers.",
        "Nothing, if it was you. Otherwise see who sends SIGTERM.",
        "A deployment replaces this instance.";
    ResponseViolated:
        "The upstream answered, but not as the API promises: another content type than `produces`, or against the contract.",
        "The call took effect: do not repeat it blindly. Tell the operator the call's id.",
        "Correct the upstream, or add the type to `produces`. Until then, `observe: [produces]` lets the answers pass and records them.",
        "The upstream answers with its HTML error page where `produces` says `application/json`.";
}
