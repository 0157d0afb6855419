//! `callgate explain` without a gate, and the ways to one.

use crate::setup::{Folder, fine};

#[test]
fn every_code_has_one_line() {
    let folder = Folder::new();
    let list = folder.run(&["explain"]).expect_success().stdout;
    let codes = folder.run(&["explain", "--json"]).expect_success().json();
    let codes = codes["codes"].as_array().unwrap();
    assert_eq!(list.lines().count(), codes.len() + 1, "a head and a line each: {list}");
    for code in codes {
        let words = ["code", "phase", "title"].map(|name| code[name].as_str().unwrap());
        assert!(list.lines().any(|line| words.iter().all(|word| line.contains(word))), "{code}");
    }
}

#[test]
fn codes_statuses_and_ranges_are_taught_without_a_gate() {
    let folder = Folder::new();
    for (what, expect) in [
        ("rate_limited", "429 rate_limited: Too many calls in too short a time."),
        ("urn:callgate:refusal:ip_denied", "403 ip_denied: Calls from this address are not taken."),
        ("429", "429 Too Many Requests"),
        ("4xx", "4xx, client errors"),
    ] {
        let told = folder.run(&["explain", what]).expect_success();
        assert_eq!((told.stdout.lines().next(), told.stderr.as_str()), (Some(expect), ""), "{what}");
        let page = folder.run(&["explain", what, "--json"]).expect_success().json();
        assert_eq!(page["title"], expect);
    }
}

#[test]
fn what_cannot_be_explained_is_said() {
    let check = |arguments: &[&str], expect: &str| {
        let output = Folder::new().run(&[&["explain"], arguments].concat());
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output}");
        assert!(output.stderr.contains(expect), "{output}");
    };
    let id = "0192f5a0-0000-7000-8000-000000000000";
    check(&["rate_limted"], "did you mean `rate_limited`?");
    check(&[id], "there is neither ./callgate.yaml nor ./callgate-data here: say which gate with -c FILE");
    check(&[id, "-c", "gate.yaml"], "gate.yaml is not readable");
    check(&[id, "--data-dir", "data"], "data is not there");
    check(&[id, "--admin", "https://gate.example.com"], "--admin needs a token: set CALLGATE_ADMIN_TOKEN");
    check(&[id, "--admin", "https://gate.example.com", "--admin-token-file", "token"], "token with the admin token");
    check(&["--last"], "no call has failed yet");
}

#[test]
fn a_token_is_not_sent_in_clear_text() {
    let folder = Folder::new();
    folder.write("token", "cga_secret\n");
    let id = "0192f5a0-0000-7000-8000-000000000000";
    let output = folder.run(&["explain", id, "--admin", "http://gate.example.com", "--admin-token-file", "token"]);
    assert!(output.code == Some(1) && output.stderr.contains("in clear text"), "{output}");
}

#[test]
fn a_call_is_explained_by_the_gate_and_without_it() {
    let (upstream, folder) = (fine(), Folder::new());
    let mut guard = folder.guard(&upstream);
    let report = folder.run(&["get", &guard.url, "--report", "json"]).json();
    let id = report["response"]["body"]["call_id"].as_str().unwrap().to_owned();
    let title = "GET / was refused with 401 credential_missing: This needs a credential, and the call brought none\n";
    let running = folder.run(&["explain", &id]).expect_success();
    assert!(running.stdout.starts_with(title) && running.stderr.is_empty(), "{running}");
    // A file with a mistake says where the data folder is all the same.
    folder.write("callgate.yaml", "version: 1\nlisten: { address: nowhere }\n");
    assert_eq!(folder.run(&["explain", &id]).expect_success().stdout, running.stdout);
    let found = folder.run(&["explain", &id, "--json"]).expect_success().json();
    assert_eq!((&found["call"]["call_id"], &found["explanation"]["title"]), (&id.into(), &title.trim_end().into()));
    let id = found["call"]["call_id"].as_str().unwrap();
    guard.program.signal("TERM");
    assert!(guard.program.wait().success());
    let broken = folder.run(&["explain", id]);
    assert!(broken.code == Some(1) && broken.stderr.contains("no gate is running, so the file"), "{broken}");
    let stopped = folder.run(&["explain", id, "--data-dir", "callgate-data"]).expect_success();
    assert_eq!(stopped.stdout, running.stdout);
}
