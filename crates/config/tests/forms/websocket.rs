//! `websocket`: its forms, and what is wrong with others.

use std::time::Duration;

use callgate_config::{Config, Rule, Websocket, WebsocketTerms};

fn read(lines: &str) -> Result<Config, Vec<String>> {
    super::read(&["upstream: http://127.0.0.1:9000", lines])
}

#[test]
fn a_word_or_terms() {
    let websocket = |lines: &str| read(lines).unwrap().apis[0].guards.websocket;
    assert_eq!(websocket("access: key"), None);
    assert_eq!(websocket("websocket: refuse"), Some(Websocket::Refuse));
    assert_eq!(websocket("websocket: allow"), Some(Websocket::Allow(WebsocketTerms::default())));
    let terms = WebsocketTerms { idle: Duration::from_secs(20), message_max: 2048, ..WebsocketTerms::default() };
    assert_eq!(websocket("websocket: { idle: 20s, message_max: 2KiB }"), Some(Websocket::Allow(terms)));
}

#[test]
fn what_it_can_not_be() {
    let check = |lines: &str, expect: &str| assert_eq!(read(lines).unwrap_err(), [expect], "{lines}");
    check("websocket: yes-please", "`websocket` can't be `yes-please`");
    check("websocket: { idle: 1h, lifetime: 10m }", "`idle` has no effect: `lifetime` ends the WebSocket before it");
    check("websocket: { pings: true }", "there is no setting `pings` in `websocket`");
}

#[test]
fn it_can_be_watched_alone() {
    assert!(read("observe: [websocket]").unwrap().apis[0].guards.observe.contains(&Rule::Websocket));
}
