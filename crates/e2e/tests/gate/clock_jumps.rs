//! The wall clock jumps, as after a wrong answer of a time server: calls go on, limits don't notice, and nothing is granted
//! twice. The clock is moved by libfaketime, which leaves the monotonic one alone, as a clock that is set does.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use callgate_testkit::{IssuedKey, ScriptedUpstream, TestGate, wait_for};

use crate::callers::Callers;
use crate::setup::{api, check, gate_yaml};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// A gate whose wall clock reads half past ten in the morning, or so many seconds from then.
struct Jumper {
    gate: TestGate,
    clock: PathBuf,
    /// Seconds from the machine's clock to half past ten.
    half_past_ten: i64,
}

// === impl Jumper ===

impl Jumper {
    #[track_caller]
    fn start(upstream: &ScriptedUpstream, quota: &str) -> Jumper {
        let folder = tempfile::tempdir().unwrap();
        let clock = folder.path().join("clock");
        #[expect(clippy::disallowed_methods, reason = "what libfaketime is told is counted from the machine's clock")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let half_past_ten = 10 * HOUR + HOUR / 2 - now % DAY;
        set(&clock, half_past_ten);
        let wrapper = format!(
            "export LD_PRELOAD='/usr/$LIB/faketime/libfaketime.so.1' FAKETIME_TIMESTAMP_FILE={} FAKETIME_NO_CACHE=1 \
             FAKETIME_DONT_FAKE_MONOTONIC=1; ",
            clock.display()
        );
        let plans = format!(
            "plans:\n  counted: {{ quota: {quota} }}\n  slow: {{ limits: [1/h burst 3] }}\n  free: {{ limits: [1000/s] }}"
        );
        let yaml = gate_yaml(&plans, &api("shop", &upstream.url(), "access: key\ntimeout: 5s"));
        let gate = TestGate::start_wrapped(folder, &yaml, &wrapper);
        for plan in ["counted", "slow", "free"] {
            gate.consumer_on(plan, plan);
        }
        Jumper { gate, clock, half_past_ten }
    }

    /// To so many seconds from half past ten; the gate sees it when it next asks.
    fn jump(&self, seconds: i64) {
        set(&self.clock, self.half_past_ten + seconds);
    }

    fn summary(&self, key: &IssuedKey) -> String {
        self.gate.call("GET /shop/a").key(key).send().summary()
    }

    /// How many calls are let through until one is refused, which must be for this reason.
    #[track_caller]
    fn passed(&self, key: &IssuedKey, refused: &str) -> usize {
        let mut passed = 0;
        loop {
            match self.summary(key).as_str() {
                "200" => passed += 1,
                // The store was not asked in time: a busy machine.
                "503 store_unavailable" => {}
                other => {
                    assert_eq!(other, refused);
                    return passed;
                }
            }
            assert!(passed < 100, "nothing refuses it");
        }
    }
}

fn set(clock: &Path, seconds: i64) {
    let beside = clock.with_extension("new");
    std::fs::write(&beside, format!("{seconds:+}\n")).unwrap();
    std::fs::rename(&beside, clock).unwrap();
}

const SPENT: &str = "429 quota_exhausted";
const LIMITED: &str = "429 rate_limited";

#[test]
fn a_day_ahead_and_back_again() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut jumper = Jumper::start(&upstream, "5/day");
    let gate = &jumper.gate;
    let [counted, slow, free] = ["counted", "slow", "free"].map(|plan| gate.key(plan, &[]));
    let soon = gate.key("free", &["--expires", "2h"]);
    let late = gate.key("free", &["--not-before", "2h"]);
    let callers = Callers::start(4, &gate.call("GET /shop/a").key(&free), gate.address());
    assert_eq!((jumper.passed(&counted, SPENT), jumper.passed(&slow, LIMITED)), (5, 3));
    assert_eq!(
        (jumper.summary(&soon).as_str(), jumper.summary(&late).as_str()),
        ("200", "401 credential_not_yet_valid")
    );

    callers.make(100);
    jumper.jump(DAY);
    // Expiry follows the wall clock; limits do not.
    assert_eq!((jumper.summary(&soon).as_str(), jumper.summary(&late).as_str()), ("401 credential_expired", "200"));
    assert_eq!(jumper.passed(&slow, LIMITED), 0);
    assert_eq!(jumper.passed(&counted, SPENT), 5, "it is another day");
    let tomorrow = gate.key("free", &[]);
    assert_eq!(jumper.summary(&tomorrow), "200");

    callers.make(100);
    jumper.jump(0);
    assert_eq!(
        (jumper.summary(&soon).as_str(), jumper.summary(&late).as_str()),
        ("200", "401 credential_not_yet_valid")
    );
    assert_eq!(jumper.passed(&slow, LIMITED), 0);
    assert_eq!(jumper.passed(&counted, SPENT), 0, "today's quota is not opened a second time");
    assert_eq!(jumper.summary(&tomorrow), "200", "a key that was made tomorrow");
    callers.make(100);
    let told = callers.end();
    assert_eq!((told.failed, told.found_nobody, told.limited), (Vec::new(), 0, 0));
    let _ = gate.run(&["audit", "verify"]).expect_success();
    let stats = gate.run_json(&["stats", "--since", "48h"]);
    assert_eq!(stats["lost"]["records"], 0, "{stats}");

    // Nor by a process that finds tomorrow's quota in the store.
    assert_eq!(jumper.gate.terminate(), Some(0));
    jumper.gate.start_again();
    assert_eq!(jumper.passed(&counted, SPENT), 0);
    jumper.jump(DAY);
    assert_eq!(jumper.passed(&counted, SPENT), 0, "tomorrow's was spent ahead of time");
    jumper.jump(2 * DAY);
    assert_eq!(jumper.passed(&counted, SPENT), 5);
}

#[test]
fn an_hour_back() {
    let upstream = ScriptedUpstream::answering("ok");
    let jumper = Jumper::start(&upstream, "4/hour");
    let gate = &jumper.gate;
    let [counted, slow, free] = ["counted", "slow", "free"].map(|plan| gate.key(plan, &[]));
    let callers = Callers::start(4, &gate.call("GET /shop/a").key(&free), gate.address());
    assert_eq!((jumper.passed(&counted, SPENT), jumper.passed(&slow, LIMITED)), (4, 3));
    callers.make(100);
    jumper.jump(-HOUR);
    assert_eq!(jumper.passed(&counted, SPENT), 0, "the hour before is not opened again");
    assert_eq!(jumper.passed(&slow, LIMITED), 0);
    // Acts, reloads and records go on: the clock of one that was made just now is behind the ones before it.
    let made = gate.key("free", &["--expires", "30m"]);
    let answer = check(&gate.call("GET /shop/b").key(&made), "200");
    assert_eq!(gate.record(&answer.call_id())["url.path"], "/shop/b");
    gate.write(&std::fs::read_to_string(gate.file()).unwrap().replace("5s", "6s"));
    wait_for("the new file", || gate.said().contains("configuration 2 taken over"));
    callers.make(100);
    jumper.jump(HOUR);
    assert_eq!(jumper.summary(&made), "401 credential_expired");
    assert_eq!(jumper.passed(&counted, SPENT), 4, "the next hour");
    let told = callers.end();
    assert_eq!((told.failed, told.found_nobody, told.limited), (Vec::new(), 0, 0));
    let _ = gate.run(&["audit", "verify"]).expect_success();
}
