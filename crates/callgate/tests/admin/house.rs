//! A folder with a configuration, where commands are run.

use std::path::Path;
use std::process::Command;

use callgate_testkit::Output;
use serde_json::Value;
use tempfile::TempDir;

const YAML: &str = "\
version: 1
listen: { address: 127.0.0.1:0 }
data_dir: ./callgate-data
log: { access: off }
plans:
  free: { limits: [10/s], quota: 1000/day }
  gold: { limits: [100/s burst 200], concurrent: 50 }
apis:
  shop: { path: /shop, upstream: 'http://127.0.0.1:9', access: key, keys: { header: X-Shop-Key } }
";

/// A folder with a `callgate.yaml`; no gate runs on it.
pub(crate) struct House(TempDir);

// === impl House ===

impl House {
    pub(crate) fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("callgate.yaml"), YAML).unwrap();
        House(folder)
    }

    /// With a consumer `ada`.
    #[track_caller]
    pub(crate) fn with_ada() -> House {
        let house = House::new();
        house.done(&["consumers", "create", "ada", "--plan", "free"]);
        house
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, b"")
    }

    /// With this on standard input.
    #[track_caller]
    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &[u8]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callgate"));
        Output::of(command.args(arguments).current_dir(self.path()).env_remove("CALLGATE_ADMIN_TOKEN"), stdin)
    }

    /// What a command that must succeed writes.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        self.run(arguments).expect_success().stdout
    }

    /// The JSON of a command that must succeed; nothing else may be on standard output.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).expect_success().json()
    }

    /// A command that must fail, with one message that holds these words.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str], words: &[&str]) {
        let output = self.run(arguments);
        assert_eq!(output.code, Some(1), "{arguments:?}: {output}");
        assert_eq!(output.stdout, "", "{arguments:?}: {output}");
        assert_eq!(output.stderr.matches("callgate: ").count(), 1, "{arguments:?}: {output}");
        for word in words {
            assert!(output.stderr.contains(word), "{arguments:?}: `{word}` is missing: {output}");
        }
    }

    /// A new key of a consumer: id and text.
    #[track_caller]
    pub(crate) fn key(&self, consumer: &str, options: &[&str]) -> (String, String) {
        let made = self.json(&[&["keys", "create", consumer], options].concat());
        (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
    }
}
