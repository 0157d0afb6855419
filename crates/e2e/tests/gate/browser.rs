//! A browser through the gate: Chromium's own `EventSource`.

use std::time::Duration;

use callgate_testkit::{
    Authority, Browser, Connection, Program, Received, ScriptedUpstream, Signal, TestGate, reply, wait_for,
};

use crate::setup::{api, gate_yaml};

const HTML: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";
/// Counts how often it was connected, keeps every event with its id, and tells the server when the last one has come.
const PAGE: &str = r#"<!doctype html><title>events</title><script>
    const heard = [];
    let opened = 0;
    const source = new EventSource('events');
    source.onopen = () => opened++;
    source.onmessage = event => {
        if (heard.push(event.lastEventId + '=' + event.data) === 10) fetch('hearing');
        if (event.data !== 'last') return;
        source.close();
        fetch('heard', { method: 'POST', body: opened + ' ' + heard.join(',') });
    };
</script>"#;

/// Serves the page and the events: one every few milliseconds from the one after `Last-Event-ID`, until it is told to end.
fn events(end: &Signal) -> ScriptedUpstream {
    let end = end.clone();
    ScriptedUpstream::start(move |connection| {
        while let Some(request) = connection.request() {
            match request.target() {
                "/events" => return stream(connection, &request, &end),
                "/page" => connection.send(format!("{HTML}Content-Length: {}\r\n\r\n{PAGE}", PAGE.len())),
                _ => connection.send(reply("404 Not Found", "")),
            };
        }
    })
}

fn stream(connection: &mut Connection, request: &Received, end: &Signal) {
    let last: usize = request.field("last-event-id").map_or(0, |id| id.parse().unwrap());
    connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = |text: String| format!("{:x}\r\n{text}\r\n", text.len());
    let mut sent = connection.send(chunk("retry: 50\n\n".to_owned()));
    for id in last + 1.. {
        let ends = end.is_raised();
        let data = if ends { "last".to_owned() } else { format!("event {id}") };
        sent = sent && connection.send(chunk(format!("id: {id}\ndata: {data}\n\n")));
        if ends {
            connection.send("0\r\n\r\n");
        }
        if ends || !sent {
            return;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// How often `/events` was asked for, and from which event on.
fn asked(upstream: &ScriptedUpstream) -> Vec<Option<String>> {
    let requests = upstream.received();
    let events = requests.iter().filter(|request| request.target() == "/events");
    events.map(|request| request.field("last-event-id").map(str::to_owned)).collect()
}

/// Another process takes the gate's place, while this one lets its calls end; gives the old one.
fn upgraded(gate: &mut TestGate) -> Option<Program> {
    Some(gate.upgrade())
}

/// The gate ends, and one starts on the same address. In between nobody listens.
fn restarted(gate: &mut TestGate) -> Option<Program> {
    let address = gate.address();
    assert_eq!(gate.terminate(), Some(0));
    let yaml = std::fs::read_to_string(gate.file()).unwrap();
    gate.write(&yaml.replace(&format!("{}:0", address.ip()), &address.to_string()));
    gate.start_again();
    assert_eq!(gate.address(), address);
    None
}

/// The page is shown, events flow, the gate changes in this way, twice, and the browser goes on with the next event.
#[track_caller]
fn check(listen: &str, url: impl Fn(&TestGate) -> String, change: impl Fn(&mut TestGate) -> Option<Program>) {
    let end = Signal::new();
    let upstream = events(&end);
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    authority.certificate(&["localhost"]).write(folder.path(), "leaf");
    let top = format!("listen: {listen}\ndrain: {{ timeout: 500ms }}");
    let yaml = gate_yaml(&top, &api("shop", &upstream.url(), "access: public"));
    let mut gate = TestGate::start_in(folder, &yaml);
    let browser = Browser::open(&format!("{}/shop/page", url(&gate)));
    wait_for("the browser to listen to events", || {
        assert!(!browser.said().contains("FATAL"), "{}", browser.said());
        upstream.received().iter().any(|request| request.target() == "/hearing")
    });
    for changes in 1..=2 {
        let old = change(&mut gate);
        wait_for("the browser to come again", || asked(&upstream).len() > changes);
        assert_eq!(old.map_or(Some(0), |mut old| old.wait().code()), Some(0));
    }
    end.raise();
    let heard = || upstream.received().into_iter().find(|request| request.target() == "/heard");
    wait_for("word of what the page heard", || heard().is_some());
    let heard = String::from_utf8(heard().unwrap().body).unwrap();
    let (opened, heard) = heard.split_once(' ').unwrap();
    let heard: Vec<&str> = heard.split(',').collect();
    let mut expect: Vec<String> = (1..heard.len()).map(|id| format!("{id}=event {id}")).collect();
    expect.push(format!("{}=last", heard.len()));
    assert_eq!(heard, expect, "each event once, in their order");
    let asked = asked(&upstream);
    assert_eq!((opened, asked.len(), &asked[0]), ("3", 3, &None), "{asked:?}");
    assert!(asked[1..].iter().all(Option::is_some), "it says where it was: {asked:?}");
}

#[test]
fn an_event_source_goes_on_where_it_was_when_the_gate_drains() {
    check("{ address: 127.0.0.1:0 }", TestGate::url, upgraded);
}

/// SIGTERM and a new start. An address of its own, so that nobody else takes the port meanwhile.
#[test]
fn an_event_source_goes_on_where_it_was_after_a_restart() {
    check("{ address: 127.0.0.77:0 }", TestGate::url, restarted);
}

#[test]
fn over_tls_and_http_2_too() {
    let url = |gate: &TestGate| format!("https://localhost:{}", gate.address().port());
    check("{ address: 127.0.0.1:0, tls: { certificate: leaf.pem, key: leaf.key } }", url, upgraded);
}
