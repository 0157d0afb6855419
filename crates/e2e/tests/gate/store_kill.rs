//! The real process, killed with SIGKILL again and again under load: what was acknowledged is there afterwards.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use callgate_testkit::{Call, IssuedKey, PATIENCE, ScriptedUpstream, TestGate, wait_for};

use crate::setup::{check, shop_with};

#[test]
fn no_acknowledged_key_revocation_or_audit_entry_is_lost() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop_with(&upstream, "", "access: key");
    gate.consumer("ada");
    let (mut good, mut revoked): (Vec<IssuedKey>, Vec<IssuedKey>) = (Vec::new(), Vec::new());
    for round in 0..6 {
        for _ in 0..3 {
            good.push(gate.key("ada", &[]));
        }
        let gone = good.remove(round);
        gate.revoke(&gone);
        revoked.push(gone);
        // Killed right after the last answer; an act under way at the kill itself is not tried here.
        let killed = std::thread::scope(|scope| {
            let acting = scope.spawn(|| gate.run(&["keys", "create", "ada", "--json"]));
            acting.join().unwrap()
        });
        if killed.code == Some(0) {
            let made = killed.json();
            good.push(IssuedKey {
                id: made["id"].as_str().unwrap().into(),
                text: made["key"].as_str().unwrap().into(),
            });
        }
        gate.kill();
        gate.start_again();
        for key in &good {
            check(&gate.call("GET /shop/a").key(key), "200");
        }
        for key in &revoked {
            check(&gate.call("GET /shop/a").key(key), "401 credential_revoked");
        }
    }
    let audit = gate.run_json(&["audit", "list"]).to_string();
    for key in good.iter().chain(&revoked) {
        assert!(audit.contains(&key.id), "the audit log lost {}", key.id);
    }
    let _ = gate.run(&["audit", "verify"]).expect_success();
}

#[test]
fn no_quota_is_granted_twice() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop_with(&upstream, "plans: { free: { quota: 400/month } }", "access: key");
    gate.consumer_on("ada", "free");
    let key = gate.key("ada", &[]);
    let passed = AtomicUsize::new(0);
    let started = std::time::Instant::now();
    for _ in 0..5 {
        let over = AtomicBool::new(false);
        let address = gate.address();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) && started.elapsed() < 3 * PATIENCE {
                        let answer = Call::new(address, "GET /shop/a").key(&key).try_send();
                        match answer {
                            Ok(answer) if answer.status == 200 => passed.fetch_add(1, Ordering::Relaxed),
                            Ok(answer) if answer.status == 429 => return,
                            _ => 0,
                        };
                    }
                });
            }
            let before = passed.load(Ordering::Relaxed);
            wait_for("40 more calls, or most of the quota", || {
                let now = passed.load(Ordering::Relaxed);
                now >= before + 40 || now >= 300
            });
            gate.kill();
            over.store(true, Ordering::Relaxed);
        });
        gate.start_again();
    }
    let mut refused = 0;
    while refused < 10 {
        match gate.call("GET /shop/a").key(&key).send().status {
            200 => _ = passed.fetch_add(1, Ordering::Relaxed),
            429 => refused += 1,
            other => panic!("{other}"),
        }
    }
    let passed = passed.load(Ordering::Relaxed);
    assert!(passed <= 400, "{passed} calls passed, 400 were sold");
    assert!(passed >= 300, "five crashes wasted {} calls: a crash costs part of a block", 400 - passed);
    assert!(upstream.count() <= 400, "{} reached the upstream", upstream.count());
}

#[test]
fn backup_and_restore_bring_everything_back() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop_with(&upstream, "", "access: key");
    let key = gate.new_key("ada");
    let copy = gate.folder().join("copy");
    let _ = gate.run(&["backup", copy.to_str().unwrap()]).expect_success();
    let after = gate.key("ada", &[]);
    check(&gate.call("GET /shop/a").key(&after), "200");
    assert_eq!(gate.terminate(), Some(0));
    std::fs::remove_dir_all(gate.folder().join("callgate-data")).unwrap();
    let _ = gate.run(&["restore", copy.to_str().unwrap()]).expect_success();
    gate.start_again();
    check(&gate.call("GET /shop/a").key(&key), "200");
    check(&gate.call("GET /shop/a").key(&after), "401 credential_unknown");
    let _ = gate.run(&["audit", "verify"]).expect_success();
}

#[test]
fn a_data_folder_that_cannot_be_written_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("callgate-data"), "a file where a folder should be").unwrap();
    let yaml = crate::setup::shop_yaml("http://127.0.0.1:9", "access: public");
    let output = TestGate::refuses_to_start(folder.path(), &yaml);
    assert_eq!(output.code, Some(1), "{output}");
    assert!(output.stderr.contains("callgate-data"), "{output}");
}

#[test]
fn files_with_secrets_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop_with(&upstream, "", "access: key");
    let key = gate.new_key("ada");
    let data = gate.folder().join("callgate-data");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&data.join("secrets"))), (0o700, 0o700));
    for entry in std::fs::read_dir(data.join("secrets")).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    // The key itself is nowhere on the disk.
    let secret = &key.text[key.text.len() - 20..];
    for folder in [data.clone(), data.join("secrets")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap_or_default();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds the key", path.display());
        }
    }
}
