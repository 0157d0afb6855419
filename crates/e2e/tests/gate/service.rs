//! What a gate owes to whoever runs it: a service manager, a container, a shell with few descriptors.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use callgate_testkit::{Call, PATIENCE, ScriptedUpstream, TestGate, eventually, wait_for};

use crate::setup::{api, check, gate_yaml, shop_yaml};

#[test]
fn a_passed_socket_serves_who_came_before_the_gate_and_outlives_it() {
    let upstream = ScriptedUpstream::answering("ok");
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = held.local_addr().unwrap();
    let listen = format!("listen: {{ address: \"{address}\" }}\n");
    let yaml = gate_yaml(&listen, &api("shop", &upstream.url(), "access: public"));
    for _ in 0..2 {
        let mut early = Call::new(address, "GET /shop/a").open();
        let mut gate = TestGate::start_on(tempfile::tempdir().unwrap(), &yaml, &held);
        assert_eq!(gate.address(), address);
        assert_eq!(early.answer().summary(), "200");
        drop(early);
        check(&gate.call("GET /shop/b"), "200");
        assert_eq!(gate.terminate(), Some(0));
    }
}

#[test]
fn a_passed_socket_that_nobody_would_answer_on_is_an_error() {
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("callgate.yaml"), shop_yaml("http://127.0.0.1:9", "access: public")).unwrap();
    let line = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" serve -c callgate.yaml";
    let mut bash = Command::new("bash");
    bash.args(["-c", line]).arg(callgate_testkit::binary()).current_dir(folder.path());
    let socket = std::os::fd::OwnedFd::from(held.try_clone().unwrap());
    let output = bash.stdin(socket).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let address = held.local_addr().unwrap().to_string();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&address) && said.contains("`listen`"), "{said}");
}

#[test]
fn a_service_manager_hears_of_readiness_reloads_and_the_end() {
    let upstream = ScriptedUpstream::answering("ok");
    for abstract_name in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (manager, name) = if abstract_name {
            use std::os::linux::net::SocketAddrExt;
            let name = format!("callgate-test-{}", std::process::id());
            let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
            (UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}"))
        } else {
            (UnixDatagram::bind(folder.path().join("notify")).unwrap(), "./notify".to_owned())
        };
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let heard = || {
            let mut message = [0; 512];
            let length = manager.recv(&mut message).unwrap();
            String::from_utf8_lossy(&message[..length]).into_owned()
        };
        let yaml = gate_yaml("drain: { delay: 1s, timeout: 2s }", &api("shop", &upstream.url(), "access: public"));
        let mut gate = TestGate::start_wrapped(folder, &yaml, &format!("export NOTIFY_SOCKET={name}; "));
        assert_eq!(heard(), "READY=1");
        gate.program().signal("HUP");
        let reloading = heard();
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
        assert_eq!(heard(), "READY=1");
        gate.program().signal("TERM");
        assert_eq!(heard(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=23000000");
        assert_eq!(gate.program().wait().code(), Some(0));
    }
}

#[test]
fn the_limit_of_open_files_is_raised_as_far_as_it_goes() {
    let upstream = ScriptedUpstream::answering("ok");
    let yaml = shop_yaml(&upstream.url(), "access: public");
    let start = |wrapper: &str| TestGate::start_wrapped(tempfile::tempdir().unwrap(), &yaml, wrapper);
    let limits = |gate: &mut TestGate| {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", gate.program().id())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
        line.split_whitespace().skip(3).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut gate = start("ulimit -Sn 256; ulimit -Hn 5000; ");
    assert_eq!(limits(&mut gate), ["5000", "5000"]);
    assert!(!gate.said().contains("files: each connection"), "{}", gate.said());
    let mut few = start("ulimit -n 300; ");
    assert_eq!(limits(&mut few), ["300", "300"]);
    assert!(few.said().contains("may open 300 files"), "{}", few.said());
}

/// As in a container: the gate is process 1 of a namespace, and a shell in it leaves a child behind.
#[test]
fn the_first_process_of_a_container_waits_for_orphans() {
    let unshare = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    if !Command::new("unshare").args(unshare).arg("true").status().is_ok_and(|status| status.success()) {
        println!("not tested: this user may not make a namespace for processes");
        return;
    }
    let upstream = ScriptedUpstream::answering("ok");
    let wrapper = format!("exec unshare {} \"$0\" serve -c callgate.yaml; ", unshare.join(" "));
    let yaml = shop_yaml(&upstream.url(), "access: public");
    let mut gate = TestGate::start_wrapped(tempfile::tempdir().unwrap(), &yaml, &wrapper);
    let children = |parent: &str| {
        let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
        let of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        tasks.map(|task| of(task.unwrap())).collect::<String>().trim().to_owned()
    };
    let first = children(&gate.program().id().to_string());
    let seen = gate.folder().join("first");
    let script = format!("(sleep 1 &); echo left > {}", seen.display());
    let entered = Command::new("nsenter").args(["--target", &first, "--pid", "sh", "-c", &script]).status().unwrap();
    assert!(entered.success() && seen.exists());
    let orphan = eventually("the orphan", || Some(children(&first)).filter(|orphans| !orphans.is_empty()));
    wait_for("the orphan's end", || !std::path::Path::new(&format!("/proc/{orphan}")).exists());
    check(&gate.call("GET /shop/a"), "200");
}

#[test]
fn any_ipv6_address_is_called_over_ipv4_too_and_records_the_callers_own() {
    let upstream = ScriptedUpstream::answering("ok");
    let yaml = gate_yaml("listen: { address: \"[::]:0\" }\n", &api("shop", &upstream.url(), "access: public"));
    let gate = TestGate::start(&yaml);
    for (host, recorded) in
        [(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), "127.0.0.1"), ("[::1]:0".parse().unwrap(), "::1")]
    {
        let answer = Call::new(SocketAddr::new(host.ip(), gate.address().port()), "GET /shop/a").send();
        assert_eq!(answer.summary(), "200");
        let record = gate.record(&answer.call_id());
        assert_eq!(record["client.address"], recorded, "{record}");
    }
}

#[test]
fn the_units_say_what_systemd_understands() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/systemd");
    let copy = tempfile::tempdir().unwrap();
    for unit in ["callgate.service", "callgate.socket"] {
        let text = std::fs::read_to_string(format!("{folder}/{unit}")).unwrap();
        let text = text.replace("/usr/bin/callgate", &callgate_testkit::binary().display().to_string());
        std::fs::write(copy.path().join(unit), text).unwrap();
    }
    let files = ["callgate.service", "callgate.socket"].map(|unit| copy.path().join(unit));
    let output = Command::new("systemd-analyze").arg("verify").args(&files).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("callgate"), "{said}");
}
