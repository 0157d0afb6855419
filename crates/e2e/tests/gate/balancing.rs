//! Several servers of one API: how calls are shared out among them.

use callgate_testkit::{Call, ScriptedUpstream, TestGate, wait_for};

use crate::setup::{api, check, gate_yaml, shop_yaml};

/// `{ servers: […] }` of these, with their weights.
fn servers(servers: &[(&ScriptedUpstream, u32)]) -> String {
    let list: Vec<String> =
        servers.iter().map(|(server, weight)| format!("{{ url: \"{}\", weight: {weight} }}", server.url())).collect();
    format!("{{ servers: [{}] }}", list.join(", "))
}

#[test]
fn calls_are_shared_out_by_weight_and_records_say_where_they_went() {
    let (stable, canary) = (ScriptedUpstream::answering("stable"), ScriptedUpstream::answering("canary"));
    let upstream = servers(&[(&stable, 9), (&canary, 1)]);
    let gate = TestGate::start(&gate_yaml("health: 127.0.0.1:0\n", &api("shop", &upstream, "access: public")));
    let mut client = gate.call("GET /shop/a").open();
    let first = client.answer();
    let (named, received) = if first.text() == "canary" { (&canary, canary.last()) } else { (&stable, stable.last()) };
    for _ in 1..400 {
        client.send(gate.call("GET /shop/a").bytes());
        let answer = client.answer();
        assert_eq!(answer.summary(), "200", "{answer}");
    }
    // Drawn at random: a tenth of 400 is further off than this once in 10¹⁰ runs.
    assert!((6..100).contains(&canary.count()), "{} of 400", canary.count());
    assert_eq!(canary.count() + stable.count(), 400);

    let address = named.address().to_string();
    assert_eq!(received.field("host"), Some(address.as_str()), "a server is asked for its own name");
    let record = gate.record(&first.call_id());
    assert_eq!(record["callgate.upstream.address"], address, "{record}");
    let explained = gate.run(&["explain", &first.call_id()]).expect_success();
    assert!(explained.stdout.contains(&address), "{}", explained.stdout);
    let counted = |server: &ScriptedUpstream| {
        let (address, count) = (server.address(), server.count());
        format!("callgate_upstream_calls_total{{api=\"shop\",server=\"{address}\",outcome=\"answered\"}} {count}\n")
    };
    wait_for("the servers' counts", || {
        let page = Call::new(gate.health(), "GET /metrics").send().text();
        page.contains(&counted(&stable)) && page.contains(&counted(&canary))
    });
}

#[test]
fn a_server_that_is_slow_is_left_to_the_calls_it_has() {
    let slow = ScriptedUpstream::start(|connection| {
        if connection.request().is_some() {
            connection.hold();
        }
    });
    let (one, two) = (ScriptedUpstream::answering("ok"), ScriptedUpstream::answering("ok"));
    let upstream = servers(&[(&slow, 1), (&one, 1), (&two, 1)]);
    let gate = TestGate::start(&shop_yaml(&upstream, "access: public"));
    let mut open = Vec::new();
    for number in 1..=60 {
        open.push(gate.call("GET /shop/a").open());
        wait_for("the call at a server", || slow.count() + one.count() + two.count() >= number);
    }
    assert!((1..=6).contains(&slow.count()), "{} of 60 calls wait for the slow server", slow.count());
}

#[test]
fn servers_come_and_go_with_a_reload() {
    let (old, new) = (ScriptedUpstream::answering("old"), ScriptedUpstream::answering("new"));
    let gate = TestGate::start(&shop_yaml(&old.url(), "access: public"));
    check(&gate.call("GET /shop/a"), "200");
    gate.write(&shop_yaml(&servers(&[(&old, 1), (&new, 1)]), "access: public"));
    wait_for("the new server", || gate.call("GET /shop/a").send().text() == "new");
    gate.write(&shop_yaml(&new.url(), "access: public"));
    let mut in_a_row = 0;
    wait_for("the old server to be left", || {
        in_a_row = if gate.call("GET /shop/a").send().text() == "new" { in_a_row + 1 } else { 0 };
        in_a_row == 50
    });
}

#[test]
fn check_says_where_calls_may_go() {
    let gate =
        TestGate::start(&shop_yaml("{ servers: [\"http://127.0.0.1:9\", \"http://127.0.0.2:9\"] }", "access: public"));
    let told = gate.run(&["check"]).expect_success().stdout;
    assert!(told.contains("http://{127.0.0.1:9,127.0.0.2:9}"), "{told}");
    let told = gate.run(&["check", "--call", "GET /shop/a"]).stdout;
    assert!(told.contains("GET http://127.0.0.1:9/a or http://127.0.0.2:9/a"), "{told}");
}
