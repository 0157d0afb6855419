//! Settings that can never act, seen over a whole API: a mistake, because whoever wrote them believes that they do.

use callgate_model::{Limit, Subject};

use crate::access::{Access, Credential};
use crate::config::{Guards, Unlisted, Upstream, UpstreamProtocol, Websocket};
use crate::read::limits::{self, Placed};
use crate::read::{guards, route};
use crate::walk::{Fields, Walk};

/// Checks the guards of an API and its routes against each other.
pub(super) fn check(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    guards: &Guards,
    own: &[Placed<Limit>],
    routes: &[route::Read],
) {
    limits::header_alone(walk, own, &[]);
    check_access(walk, fields, guards, own, routes);
    check_routes(walk, guards, routes);
}

/// What asks for a credential has no effect where nobody shows one.
fn check_access(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    guards: &Guards,
    own: &[Placed<Limit>],
    routes: &[route::Read],
) {
    let takes = |kind: Credential| {
        let mut all = [guards.access].into_iter().chain(routes.iter().map(|read| read.route.guards.access)).flatten();
        all.any(|access| access.takes(kind))
    };
    let is_closed = |access: Option<Access>| access.is_some_and(|access| !access.is_public());
    let route_is_closed = routes.iter().any(|read| is_closed(read.route.guards.access));
    let all_public = guards.access == Some(Access::PUBLIC) && !route_is_closed;
    if fields.has("keys") && !takes(Credential::Key) {
        let message = match all_public {
            true => "`keys` has no effect: everything here is public",
            false => "`keys` has no effect: no `access` here takes a key",
        };
        walk.error(fields.place("keys"), message, "leave it out, or write `access: key`");
    }
    if fields.has("tokens") && !takes(Credential::Token) {
        let message = "`tokens` has no effect: no `access` here takes a token";
        walk.error(fields.place("tokens"), message, "leave it out, or write `access: token`");
    }
    let judge = |walk: &mut Walk<'_>, limits: &[Placed<Limit>]| {
        for limit in limits {
            if matches!(limit.value.per, Subject::Key | Subject::Consumer) {
                let message =
                    format!("a limit per {} has no effect on public calls: nobody shows a key", limit.value.per);
                walk.error(limit.span, message, "write `per ip`, or `access: key`");
            }
        }
    };
    if all_public {
        judge(walk, own);
    }
    for read in routes.iter().filter(|read| read.first_of_several) {
        let open = match read.route.guards.access {
            // A more specific route could ask for a key, and the guards of this one hold there too.
            Some(Access::PUBLIC) => !route_is_closed || read.route.pattern.is_literal() && read.route.method.is_some(),
            Some(_) => false,
            None => all_public,
        };
        if open {
            judge(walk, &read.limits);
            let says_so = read.route.guards.access.is_some();
            if !read.route.guards.scopes.is_empty() && !says_so {
                let message = "`scopes` has no effect on public calls: nobody shows a credential";
                walk.error(read.place("scopes"), message, "leave it out, or write `access: key`");
            }
        }
    }
}

/// What only shows when a route is seen below its API.
fn check_routes(walk: &mut Walk<'_>, api: &Guards, routes: &[route::Read]) {
    for read in routes.iter().filter(|read| read.first_of_several) {
        limits::header_alone(walk, &read.limits, &api.limits);
        if !guards::overlap(&api.ip.allow, &read.route.guards.ip.allow) {
            let message = "nobody can call this route: the API's `ip.allow` has none of these addresses";
            walk.error(
                read.place("ip"),
                message,
                "both lists apply: widen the API's, or write the inner addresses here",
            );
        }
    }
}

pub(super) fn check_unlisted(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    unlisted: Option<Unlisted>,
    routes: &[route::Read],
) {
    let span = fields.place("unlisted");
    if routes.is_empty() && unlisted.is_some() && !fields.has("routes") {
        let message = "`unlisted` has no effect without `routes`: everything below the prefix is forwarded";
        walk.error(span, message, "leave it out, or list the routes");
    }
    let all = |read: &route::Read| {
        read.route.method.is_none() && read.route.pattern.rest && read.route.pattern.segments.is_empty()
    };
    if unlisted == Some(Unlisted::Forward) && routes.iter().any(all) {
        let message = "`unlisted` has no effect beside the route `* /**`, which lists every call";
        walk.error(span, message, "leave it out");
    }
}

/// A WebSocket is asked for upstream over HTTP/1.1, whatever the caller speaks.
pub(super) fn check_websocket(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    upstream: &Upstream,
    guards: &Guards,
    routes: &[route::Read],
) {
    if upstream.protocol != UpstreamProtocol::Http2 {
        return;
    }
    let opens = |guards: &Guards| matches!(guards.websocket, Some(Websocket::Allow(_)));
    let own = opens(guards).then(|| fields.place("websocket"));
    let opening = routes.iter().filter(|read| read.first_of_several && opens(&read.route.guards));
    for span in own.into_iter().chain(opening.map(|read| read.place("websocket"))) {
        let message = "`websocket` has no effect with `protocol: http2`: WebSockets are opened upstream over HTTP/1.1";
        let help = match upstream.tls {
            true => "write `protocol: auto`: other calls share connections of HTTP/2 as before",
            false => "give these routes an API of their own, with `protocol: http1`",
        };
        walk.error(span, message, help);
    }
}
