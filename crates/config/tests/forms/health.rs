//! `upstream.health`: its forms, and what is wrong with others.

use std::time::Duration;

use callgate_config::{Config, UpstreamHealth};

fn read(health: &str) -> Result<Config, Vec<String>> {
    super::read(&["access: public", &format!("upstream: {{ server: \"http://127.0.0.1:9000\", health: {health} }}")])
}

#[test]
fn a_path_or_all_of_it() {
    let health = |text: &str| read(text).unwrap().apis[0].upstream.health.clone().unwrap();
    let defaults = UpstreamHealth {
        path: "/healthz?full=1".to_owned(),
        every: Duration::from_secs(5),
        timeout: Duration::from_secs(2),
        statuses: Vec::new(),
        rise: 2,
        fall: 3,
    };
    assert_eq!(health("\"/healthz?full=1\""), defaults);
    assert_eq!(health("{ path: \"/healthz?full=1\" }"), defaults);
    let all = health("{ path: /, every: 1s, status: [200, 429], rise: 1, fall: 100 }");
    assert_eq!((all.every, all.timeout, all.rise, all.fall), (Duration::from_secs(1), Duration::from_secs(1), 1, 100));
    assert_eq!(all.statuses, [200, 429]);
    assert_eq!(health("{ path: /, status: 204 }").statuses, [204]);
}

#[test]
fn what_it_can_not_be() {
    let check = |text: &str, expect: &str| assert_eq!(read(text).unwrap_err(), [expect], "{text}");
    check("healthz", "`healthz` is not a path on a server");
    check("\"/a b\"", "`/a b` is not a path on a server");
    check("\"/a#b\"", "`/a#b` is not a path on a server");
    check("{ every: 1s }", "`path` is missing in `apis.a.upstream.health`");
    check("{ path: /, every: 99ms }", "`every` can't be `99ms`");
    check("{ path: /, every: 2h }", "`every` can't be `2h`");
    check("{ path: /, every: 1s, timeout: 2s }", "`timeout` is longer than `every`: one check would run into the next");
    check("{ path: /, status: 600 }", "`status` can't be `600`");
    check("{ path: /, fall: 0 }", "`fall` can't be `0`");
    check("{ path: /, rise: 101 }", "`rise` can't be `101`");
}
