//! Days on which something around the gate fails: its log, its disk, its outputs. Calls keep flowing, and what is lost,
//! which is records only, is counted.

use std::path::Path;
use std::process::Command;

use callgate_testkit::{Call, ScriptedUpstream, TestGate, wait_for};

use crate::setup::{api, check, gate_yaml};

/// Both outputs go into a pipe whose reader leaves after the first line, as `callgate serve | head -1` would have it.
const READER_LEAVES: &str = "exec > >(sed -u 1q) 2>&1";
/// The same, but the reader stays and reads no more. It ends with the gate.
const READER_SLEEPS: &str = "exec > >(sed -u 1q; while kill -0 $$ 2>/dev/null; do sleep 0.2; done) 2>&1";

fn yaml(top: &str, upstream: &ScriptedUpstream) -> String {
    gate_yaml(&format!("health: 127.0.0.1:0\n{top}"), &api("shop", &upstream.url(), "access: public"))
}

/// A metric without labels.
#[track_caller]
fn metric(gate: &TestGate, name: &str) -> u64 {
    let page = Call::new(gate.health(), "GET /metrics").send().text();
    let line = page.lines().find(|line| line.split(' ').next() == Some(name));
    let value = line.and_then(|line| line.split(' ').nth(1)).and_then(|value| value.parse().ok());
    value.unwrap_or_else(|| panic!("no number for {name}:\n{page}"))
}

/// What `callgate stats` says of one kind of loss.
#[track_caller]
fn lost(gate: &TestGate, what: &str) -> u64 {
    let stats = gate.run_json(&["stats"]);
    stats["lost"][what].as_u64().unwrap_or_else(|| panic!("no `{what}` in {stats}"))
}

/// So many mistakes that telling them fills any pipe: each is told with its line.
fn broken(yaml: &str) -> String {
    (0..2_000).fold(yaml.to_owned(), |text, number| text + &format!("nonsense_{number}: 1\n"))
}

#[test]
fn a_log_pipe_that_is_closed_costs_lines_and_no_calls() {
    let upstream = ScriptedUpstream::answering("ok");
    let text = yaml("log: { access: stdout }", &upstream);
    let mut gate = TestGate::start_after(READER_LEAVES, &text);
    // The recorder writes by itself: calls until it has met the closed pipe.
    wait_for("lost lines", || {
        check(&gate.call("GET /shop/a"), "200");
        metric(&gate, "callgate_log_lines_lost_total") > 0
    });
    assert!(metric(&gate, "callgate_log_errors_total") > 0);
    assert!(lost(&gate, "log_lines") > 0);
    let told = gate.run(&["stats", "--once"]).expect_success().stdout;
    assert!(told.contains("lines of the access log") && told.contains("though the calls passed"), "{told}");
    // The failure itself could not be said, for the same reason; nor can what follows.
    assert!(lost(&gate, "messages") > 0);
    gate.write(&broken(&text));
    let before = metric(&gate, "callgate_messages_lost_total");
    gate.program().signal("HUP");
    wait_for("one more lost message", || metric(&gate, "callgate_messages_lost_total") > before);
    check(&gate.call("GET /shop/a"), "200");
    assert_eq!(gate.terminate(), Some(0));
}

#[test]
fn outputs_that_nobody_reads_hold_up_nothing() {
    let upstream = ScriptedUpstream::answering("ok");
    let text = yaml("log: { access: off }", &upstream);
    let mut gate = TestGate::start_after(READER_SLEEPS, &text);
    gate.write(&broken(&text));
    // The mistakes are told by whoever reloads; the second time they would wait for room in the pipe.
    for _ in 0..2 {
        assert_ne!(gate.run(&["reload"]).code, Some(0));
        gate.program().signal("HUP");
    }
    gate.write(&text.replace("/shop", "/store"));
    gate.program().signal("HUP");
    wait_for("the next configuration", || gate.call("GET /store/a").send().status == 200);
    assert_eq!(Call::new(gate.health(), "GET /readyz").send().status, 200);
    assert_eq!(gate.terminate(), Some(0), "the end does not wait for them either");
}

#[test]
fn a_full_disk_is_counted_where_an_operator_looks() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = TestGate::start_on_a_full_disk(&yaml("log: { access: access.log }", &upstream), 400);
    let agent = "a".repeat(500);
    wait_for("lost lines", || {
        for _ in 0..50 {
            check(&gate.call("GET /shop/a").field("User-Agent", &agent), "200");
        }
        metric(&gate, "callgate_log_lines_lost_total") > 0
    });
    assert!(metric(&gate, "callgate_log_lines_total") > 0, "the lines before were written");
    assert!(lost(&gate, "log_lines") > 0);
    check(&gate.call("GET /shop/a"), "200");
}

/// The first file that does not fit is one beside the database, of which SQLite only says "disk I/O error".
#[test]
fn a_start_on_a_full_disk_says_what_is_full_and_what_to_do() {
    let upstream = ScriptedUpstream::answering("ok");
    let folder = tempfile::tempdir().unwrap();
    let told = TestGate::refuses_to_start_on_a_full_disk(folder.path(), &yaml("", &upstream), 16);
    assert_eq!(told.code, Some(1), "{told}");
    for part in ["the disk of `", "/callgate.db` is full, or a quota or limit of size is reached", "make room"] {
        assert!(told.stderr.contains(part), "{told}");
    }
    assert_eq!(told.stderr.matches("disk I/O error").count(), 1, "{told}");
    // With room, the same folder serves.
    let gate = TestGate::start_in(folder, &yaml("", &upstream));
    check(&gate.call("GET /shop/a"), "200");
}

#[test]
fn a_log_that_was_moved_away_is_opened_anew_on_sigusr1() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = TestGate::start(&yaml("log: { access: access.log }", &upstream));
    let (file, moved) = (gate.folder().join("access.log"), gate.folder().join("moved.log"));
    let text = |file: &std::path::Path| std::fs::read_to_string(file).unwrap_or_default();
    let first = check(&gate.call("GET /shop/a"), "200").call_id();
    wait_for("the first line", || text(&file).contains(&first));
    std::fs::rename(&file, &moved).unwrap();
    let second = check(&gate.call("GET /shop/a"), "200").call_id();
    wait_for("the second line, in the file that is open", || text(&moved).contains(&second));
    gate.program().signal("USR1");
    wait_for("a new file", || file.is_file());
    let third = check(&gate.call("GET /shop/a"), "200").call_id();
    wait_for("the third line", || text(&file).contains(&third));
    assert_eq!((text(&moved).lines().count(), text(&file).lines().count()), (2, 1));
    assert_eq!(metric(&gate, "callgate_log_lines_lost_total"), 0);
}

/// Opening a pipe waits for its reader, and nobody promises that there is one.
#[test]
fn a_pipe_that_nobody_reads_is_no_log_and_holds_nothing_up() {
    let upstream = ScriptedUpstream::answering("ok");
    let text = yaml("log: { access: access.log }", &upstream);
    let mut gate = TestGate::start(&text);
    let (file, moved) = (gate.folder().join("access.log"), gate.folder().join("moved.log"));
    let make_pipe = || assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    let holds = |file: &Path, id: &str| std::fs::read_to_string(file).unwrap_or_default().contains(id);
    std::fs::rename(&file, &moved).unwrap();
    make_pipe();
    gate.program().signal("USR1");
    wait_for("word of the pipe", || gate.said().contains("it is a pipe that nobody reads"));
    let first = check(&gate.call("GET /shop/a"), "200").call_id();
    wait_for("a line in the file that stays open", || holds(&moved, &first));
    std::fs::remove_file(&file).unwrap();
    gate.program().signal("USR1");
    wait_for("a new file", || file.is_file());
    let second = check(&gate.call("GET /shop/a"), "200").call_id();
    wait_for("a line in it", || holds(&file, &second));
    assert_eq!(gate.terminate(), Some(0));

    std::fs::remove_file(&file).unwrap();
    make_pipe();
    let told = gate.run(&["serve"]);
    assert!(told.stderr.contains("it is a pipe that nobody reads"), "{}", told.stderr);
}

#[test]
fn the_gate_rotates_its_log_by_itself() {
    let upstream = ScriptedUpstream::answering("ok");
    let rotate = "log: { access: access.log, rotate: { size: 128KiB, keep: 2 } }";
    let mut gate = TestGate::start(&yaml(rotate, &upstream));
    let agent = "a".repeat(500);
    let third = gate.folder().join("access.log.2");
    let mut ids = Vec::new();
    wait_for("a second rotation", || {
        for _ in 0..50 {
            ids.push(check(&gate.call("GET /shop/a").field("User-Agent", &agent), "200").call_id());
        }
        third.is_file()
    });
    // More than all of them hold, so that one must have been given up.
    for _ in 0..300 {
        ids.push(check(&gate.call("GET /shop/a").field("User-Agent", &agent), "200").call_id());
    }
    assert_eq!(metric(&gate, "callgate_log_errors_total"), 0);
    assert_eq!(gate.terminate(), Some(0));
    let mut logged = Vec::new();
    for name in ["access.log.2", "access.log.1", "access.log"] {
        let text = std::fs::read_to_string(gate.folder().join(name)).unwrap();
        assert!(text.len() <= 128 * 1024 && text.ends_with('\n'), "{name} has {} bytes", text.len());
        for line in text.lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            logged.push(record["callgate.call_id"].as_str().unwrap().to_owned());
        }
    }
    assert!(logged.len() < ids.len() && logged.len() > 100, "{} of {}", logged.len(), ids.len());
    assert!(ids.ends_with(&logged), "the newest lines are there, each once, in their order");
    assert!(!gate.folder().join("access.log.3").exists());
}
