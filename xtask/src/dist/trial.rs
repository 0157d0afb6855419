//! What was packed is unpacked again, held against its sums, and started.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{Made, Release, write};
use crate::shell;

/// How long a gate may take to come up, or to end.
const WITHIN: Duration = Duration::from_secs(30);

/// Tries everything that needs no root.
pub(super) fn all(release: &Release, made: &Made) -> Result<()> {
    shell::run(Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&release.folder))?;
    let trial = release.folder.join("trial");
    archive(made, &trial.join("archive"))?;
    package(release, made, &trial.join("package"))?;
    std::fs::remove_dir_all(&trial).context("removing what was tried")
}

fn archive(made: &Made, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).context("making the folder of a trial")?;
    shell::run(Command::new("tar").arg("--extract").arg("--file").arg(&made.archive).arg("--directory").arg(folder))?;
    let inside = folder.read_dir()?.next().context("the archive is empty")??.path();
    shell::run(Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&inside))?;
    for file in ["man/callgate.1", "man/callgate-keys-create.1", "LICENSE", "Containerfile", "docs/guide.md"] {
        ensure!(inside.join(file).is_file(), "the archive has no {file}");
    }
    shell::run(Command::new("bash").arg("-n").arg(inside.join("completions/callgate.bash")))?;
    let page = shell::output(Command::new("cat").arg(inside.join("man/callgate-serve.1")))?;
    ensure!(page.contains("callgate\\-serve") || page.contains("callgate-serve"), "the manual page names no command");
    starts(&inside.join("bin/callgate"), &inside.join("callgate.yaml"), folder)
}

fn package(release: &Release, made: &Made, folder: &Path) -> Result<()> {
    shell::run(Command::new("dpkg-deb").arg("--extract").arg(&made.package).arg(folder))?;
    let fields = shell::output(Command::new("dpkg-deb").arg("--field").arg(&made.package))?;
    for field in [format!("Version: {}", release.version), "Depends: libc6 (>= 2.".to_owned()] {
        ensure!(fields.contains(&field), "the package's fields lack `{field}`:\n{fields}");
    }
    for file in ["usr/share/man/man1/callgate.1.gz", "usr/share/doc/callgate/copyright"] {
        ensure!(folder.join(file).is_file(), "the package has no {file}");
    }
    if shell::has("systemd-analyze") {
        let unit = folder.join("usr/lib/systemd/system/callgate.service");
        let text = std::fs::read_to_string(&unit).context("reading the unit")?;
        // Other units of a whole system are not in this tree, and `kill` is the system's.
        let alone = folder.join("callgate.service");
        let program = folder.join("usr/bin/callgate").display().to_string();
        write(&alone, &text.replace("/usr/bin/callgate", &program), 0o644)?;
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no", "--recursive-errors=no"]).arg(&alone);
        shell::run(&mut verify)?;
    }
    starts(&folder.join("usr/bin/callgate"), &folder.join("etc/callgate/callgate.yaml"), folder)
}

/// The packed configuration, with other places and free ports, is served by the packed program.
fn starts(program: &Path, configuration: &Path, folder: &Path) -> Result<()> {
    let text = std::fs::read_to_string(configuration).context("reading the configuration")?;
    let text = text.replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:9901", "127.0.0.1:0");
    let text = text.replace("/var/lib/callgate", "./data").replace("/var/log/callgate/", "./");
    write(&folder.join("trial.yaml"), &text, 0o644)?;
    shell::run(Command::new(program).args(["check", "-c", "trial.yaml"]).current_dir(folder))?;
    let mut serve = Command::new(program);
    serve.args(["serve", "-c", "trial.yaml"]).current_dir(folder);
    let (gate, ready) = start(&mut serve)?;
    let health = ready.split("health ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let tried = health.context("the gate names no health address").and_then(|health| readiness(health, program));
    let ended = end(gate);
    tried.and(ended)
}

/// Installs the package, serves with what it brought as the account that it made, and purges it. Needs root.
pub(super) fn installed(package: &Path) -> Result<()> {
    ensure!(
        shell::output(Command::new("id").arg("-u"))?.trim() == "0",
        "--try-package installs a package: it needs root"
    );
    let known =
        Command::new("dpkg").args(["--status", "callgate"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ensure!(
        !known.is_ok_and(|status| status.success()),
        "a package `callgate` is installed here already: it is not touched"
    );
    let data = Path::new("/var/lib/callgate");
    ensure!(!data.exists(), "{} is there already: it is not touched", data.display());
    shell::run(Command::new("dpkg").arg("--install").arg(package))?;
    let tried = serves();
    let purged = shell::run(Command::new("dpkg").args(["--purge", "callgate"]));
    tried?;
    purged?;
    ensure!(data.is_dir(), "a purge keeps the keys");
    for gone in ["/usr/bin/callgate", "/etc/callgate", "/var/log/callgate"] {
        ensure!(!Path::new(gone).exists(), "{gone} is left after a purge");
    }
    // Made by this trial, and seen above not to have been there before.
    std::fs::remove_dir_all(data).context("removing the trial's data")?;
    shell::run(Command::new("userdel").arg("callgate"))
}

/// As the unit starts it, or by systemd itself where that runs.
fn serves() -> Result<()> {
    let (program, health) = (Path::new("/usr/bin/callgate"), "http://127.0.0.1:9901");
    if Path::new("/run/systemd/system").is_dir() {
        return readiness(health, program);
    }
    let configuration = "/etc/callgate/callgate.yaml";
    let mut serve = Command::new("setpriv");
    serve.args(["--reuid=callgate", "--regid=callgate", "--init-groups", "--no-new-privs"]);
    serve.arg(program).args(["serve", "-c", configuration]).current_dir("/");
    let (gate, _ready) = start(&mut serve)?;
    let tried = readiness(health, program)
        .and_then(|()| shell::run(Command::new(program).args(["consumers", "create", "ada", "-c", configuration])));
    let ended = end(gate);
    tried.and(ended)?;
    let log = std::fs::metadata("/var/log/callgate/access.log").context("looking for the access log")?;
    ensure!(log.is_file(), "the access log is no file");
    Ok(())
}

fn start(command: &mut Command) -> Result<(Child, String)> {
    let mut gate = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting the gate")?;
    let output = gate.stdout.take().context("the gate has no output")?;
    let (sender, line) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).map(|_| sender.send(line)).ok();
    });
    match line.recv_timeout(WITHIN) {
        Ok(line) if line.contains("ready") => Ok((gate, line)),
        other => {
            gate.kill().ok();
            gate.wait().ok();
            bail!("the gate did not come up: {other:?}")
        }
    }
}

/// Asked with the program's own client.
fn readiness(health: &str, program: &Path) -> Result<()> {
    let start = Instant::now();
    loop {
        match shell::output(Command::new(program).arg("get").arg(format!("{health}/readyz"))) {
            Ok(answer) if answer.contains("ok") => return Ok(()),
            Ok(answer) => bail!("/readyz answered {answer}"),
            Err(error) if start.elapsed() > WITHIN => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn end(mut gate: Child) -> Result<()> {
    shell::run(Command::new("kill").args(["-TERM", &gate.id().to_string()]))?;
    let start = Instant::now();
    loop {
        if let Some(status) = gate.try_wait()? {
            ensure!(status.success(), "the gate ended with {status}");
            return Ok(());
        }
        if start.elapsed() > WITHIN {
            gate.kill()?;
            bail!("the gate did not end within {WITHIN:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
