//! Runs the code blocks of the documents: a reader who pastes one gets what the text says.
//!
//! Every fenced block says what it is, by the words after its fence:
//!
//! | fence | what is done |
//! |---|---|
//! | `sh run` | run by bash, with `callgate` on the PATH; all blocks of a document are one session in one empty folder |
//! | `sh no-run` | nothing: what it does takes too long, or needs a machine of its own |
//! | `yaml` with a line `version: 1` | checked by `callgate check`, in the document's folder |
//! | `yaml fragment` | nothing: a part of a file |
//! | `yaml file=NAME`, `json file=NAME`, … | also written into the document's folder, for the `sh run` blocks after it |
//! | `json` | must be JSON |
//! | `text`, `http`, `mermaid` | nothing |
//!
//! Anything else is a mistake, so that every block is either run or declared. The examples are checked too.
//!
//! A file may name `tls/cert.pem` and `tls/key.pem`, and `env:NAME`: those are made for the check.

use std::fmt::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{shell, tools};

/// How long the session of one document may take.
const SESSION_TIME_MAX: Duration = Duration::from_secs(180);

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// The line of its fence, from 1.
    line: usize,
    /// The words after the fence.
    info: String,
    text: String,
}

/// What is done with a block.
#[derive(Debug, PartialEq, Eq)]
enum Duty {
    Nothing,
    Run,
    Check,
    Json,
}

/// Runs every document and checks every example.
///
/// # Errors
/// Every block that does not do what its text says.
pub(crate) fn run() -> Result<()> {
    tools::programs()?;
    let mut wrong = Vec::new();
    for path in documents()? {
        let name = path.strip_prefix(shell::root()).unwrap_or(&path).display().to_string();
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
        let blocks = match blocks(&text) {
            Ok(blocks) => blocks,
            Err(line) => {
                wrong.push(format!("{name}:{line}: this fence is never closed"));
                continue;
            }
        };
        let start = Instant::now();
        let faults = follow(&name, &blocks)?;
        println!("{name}: {} blocks, {} wrong, {:.1} s", blocks.len(), faults.len(), start.elapsed().as_secs_f64());
        wrong.extend(faults);
    }
    let folder = Folder::new("examples")?;
    for path in in_folder(&shell::root().join("examples"), &["yaml", "yml"])? {
        let name = path.file_name().context("an example has a name")?;
        std::fs::copy(&path, folder.path.join(name)).with_context(|| format!("copying {}", path.display()))?;
        if let Err(error) = check(&folder.path.join(name)) {
            wrong.push(format!("examples/{}: {error:#}", name.display()));
        }
    }
    if !wrong.is_empty() {
        bail!("{} blocks do not do what their text says:\n{}", wrong.len(), wrong.join("\n"));
    }
    Ok(())
}

/// The documents at the top, and everything in `docs/`. The changelog speaks of versions that are gone.
fn documents() -> Result<Vec<PathBuf>> {
    let mut found = in_folder(&shell::root().join("docs"), &["md"])?;
    for entry in shell::root().read_dir().context("reading the workspace's folder")? {
        let path = entry?.path();
        if path.extension().is_some_and(|is| is == "md") && path.file_name().is_none_or(|is| is != "CHANGELOG.md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn in_folder(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let Ok(entries) = folder.read_dir() else { return Ok(found) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(in_folder(&path, extensions)?);
        } else if path.extension().and_then(|is| is.to_str()).is_some_and(|is| extensions.contains(&is)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The fenced blocks of a text, or the line of a fence that is never closed.
fn blocks(text: &str) -> Result<Vec<Block>, usize> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let fence: String = line.trim_start().chars().take_while(|character| *character == '`').collect();
        match &mut open {
            Some((block, with)) if fence.len() >= with.len() && line.trim() == fence => {
                blocks.push(std::mem::replace(block, Block { line: 0, info: String::new(), text: String::new() }));
                open = None;
            }
            Some((block, _)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            None if fence.len() >= 3 => {
                let info = line.trim().trim_start_matches('`').trim().to_owned();
                open = Some((Block { line: index + 1, info, text: String::new() }, fence));
            }
            None => {}
        }
    }
    open.map_or(Ok(blocks), |(block, _)| Err(block.line))
}

fn duty(block: &Block) -> Result<Duty, &'static str> {
    let words: Vec<&str> = block.info.split_whitespace().filter(|word| !word.starts_with("file=")).collect();
    match words.as_slice() {
        ["sh", "run"] => Ok(Duty::Run),
        ["yaml"] if block.text.lines().any(|line| line.trim_end() == "version: 1") => Ok(Duty::Check),
        ["yaml"] => Err("a whole file begins with `version: 1`; a part of one is marked `yaml fragment`"),
        ["json"] => Ok(Duty::Json),
        ["sh", "no-run"] | ["yaml", "fragment"] | ["text" | "http" | "mermaid"] => Ok(Duty::Nothing),
        ["sh" | "bash" | "shell" | "console", ..] => Err("mark it `sh run` or `sh no-run`"),
        _ => Err("mark it `sh run`, `sh no-run`, `yaml`, `yaml fragment`, `json`, `http` or `text`"),
    }
}

/// Does what the blocks of one document ask for, in their order, in one folder; gives what went wrong.
fn follow(name: &str, blocks: &[Block]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let folder = Folder::new(name)?;
    let mut session = String::new();
    for block in blocks {
        let at = format!("{name}:{}", block.line);
        let duty = match duty(block) {
            Ok(duty) => duty,
            Err(what) => {
                wrong.push(format!("{at}: ```{}: {what}", block.info));
                continue;
            }
        };
        let file = block.info.split_whitespace().find_map(|word| word.strip_prefix("file="));
        if let Some(file) = file {
            std::fs::write(folder.path.join(file), &block.text).with_context(|| format!("{at}: writing {file}"))?;
        }
        match duty {
            Duty::Nothing => {}
            Duty::Run => write!(session, "echo '+++ {at}' >&2\n{}", block.text)?,
            Duty::Json => {
                if let Err(error) = serde_json::from_str::<serde_json::Value>(&block.text) {
                    wrong.push(format!("{at}: not JSON: {error}"));
                }
            }
            Duty::Check => {
                let path = folder.path.join(file.unwrap_or("callgate.yaml"));
                std::fs::write(&path, &block.text).with_context(|| format!("{at}: writing the file"))?;
                if let Err(error) = check(&path) {
                    wrong.push(format!("{at}: {error:#}"));
                }
            }
        }
    }
    if !session.is_empty()
        && let Err(error) = paste(&folder, &session)
    {
        wrong.push(format!("{name}: {error:#}"));
    }
    Ok(wrong)
}

fn check(file: &Path) -> Result<()> {
    let mut command = Command::new(shell::target().join("debug/callgate"));
    let folder = file.parent().context("a file has a folder")?;
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    if text.contains("tls/cert.pem") && !folder.join("tls").exists() {
        certificate(&folder.join("tls"))?;
    }
    let secrets = text.split("env:").skip(1).map(|rest| {
        rest.chars().take_while(|character| character.is_ascii_alphanumeric() || *character == '_').collect::<String>()
    });
    command.envs(secrets.map(|name| (name, "a value for the check")));
    let output = command.args(["check", "-c"]).arg(file).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.context("starting callgate: run `cargo build -p callgate` first")?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("callgate check {}:\n{}", file.display(), String::from_utf8_lossy(&said));
    }
    Ok(())
}

/// A certificate of its own, for the files that name one.
fn certificate(folder: &Path) -> Result<()> {
    std::fs::create_dir(folder).with_context(|| format!("making {}", folder.display()))?;
    let request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
    let names = ["-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"];
    shell::output(Command::new("openssl").args(request).args(names).current_dir(folder)).map(drop)
}

/// Whether this system lets a session have a network namespace.
fn has_own_loopback() -> bool {
    let mut probe = Command::new("unshare");
    shell::output(probe.args(["-rn", "ip", "link", "set", "lo", "up"])).is_ok()
}

/// Runs a session as a reader would paste it, and ends everything that it left running.
fn paste(folder: &Folder, session: &str) -> Result<()> {
    let log_path = folder.path.join(".session.log");
    let log = std::fs::File::create(&log_path).context("making the session's log")?;
    let bin = shell::target().join("debug");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    // The documents use the ports that readers would: on a loopback of its own, nobody else has taken them.
    let (program, before): (_, &[&str]) = if has_own_loopback() {
        ("unshare", &["-rn", "bash", "-euo", "pipefail", "-c", "ip link set lo up; eval \"$0\""])
    } else {
        ("bash", &["-euo", "pipefail", "-c", "eval \"$0\""])
    };
    let mut child = Command::new(program)
        .args(before)
        .arg(session)
        .current_dir(&folder.path)
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("sharing the session's log")?)
        .stderr(log)
        // A group of its own, so that what it started in the background can be ended with it.
        .process_group(0)
        .spawn()
        .context("starting bash")?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait().context("waiting for the session")? {
            Some(status) => break Some(status),
            None if start.elapsed() > SESSION_TIME_MAX => break None,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    // Fails when nobody is left, which is as good.
    let group = format!("-{}", child.id());
    let _ended = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let _reaped = child.wait();
    let log = std::fs::read(&log_path).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!("the session ended with {status}; the last block named below failed:\n{log}"),
        None => bail!("the session took longer than {SESSION_TIME_MAX:?}:\n{log}"),
    }
}

/// A folder that is removed again.
struct Folder {
    path: PathBuf,
}

// === impl Folder ===

impl Folder {
    fn new(name: &str) -> Result<Folder> {
        let name = format!("callgate-document-{}-{}", std::process::id(), name.replace('/', "-"));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Folder { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Block {
        blocks(text).unwrap().pop().unwrap()
    }

    #[test]
    fn blocks_are_found_with_their_lines() {
        let text = "a\n```sh run\necho 1\n```\n\n````text\n```\nnot a fence\n```\n````\n";
        let found = blocks(text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], Block { line: 2, info: "sh run".to_owned(), text: "echo 1\n".to_owned() });
        assert_eq!(found[1].text, "```\nnot a fence\n```\n");
        assert_eq!(blocks("a\n```sh run\n"), Err(2));
    }

    #[test]
    fn every_block_says_what_it_is() {
        let duty_of = |text: &str| duty(&only(text)).ok();
        assert_eq!(duty_of("```sh run\n```"), Some(Duty::Run));
        assert_eq!(duty_of("```sh no-run\n```"), Some(Duty::Nothing));
        assert_eq!(duty_of("```yaml\nversion: 1\n```"), Some(Duty::Check));
        assert_eq!(duty_of("```yaml file=a.yaml\nversion: 1\n```"), Some(Duty::Check));
        assert_eq!(duty_of("```yaml fragment\na: 1\n```"), Some(Duty::Nothing));
        assert_eq!(duty_of("```yaml\na: 1\n```"), None, "neither a file nor declared a part");
        assert_eq!(duty_of("```sh\n```"), None);
        assert_eq!(duty_of("```\n```"), None);
    }

    #[test]
    fn a_session_runs_in_one_shell_and_names_the_block_that_failed() {
        let session = |text: &str| follow("test", &blocks(text).unwrap()).unwrap().join("\n");
        let good =
            "```json file=a.json\n{}\n```\n```sh run\nx=1\nsleep 600 &\n```\n```sh run\ntest $x = 1; cat a.json\n```\n";
        assert_eq!(session(good), "");
        let bad = session("```sh run\ntrue\n```\n```sh run\nls nowhere\n```\n");
        assert!(bad.contains("+++ test:4") && bad.contains("nowhere"), "{bad}");
    }
}
