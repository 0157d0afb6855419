//! `cargo xtask dist`: what is given to people: an archive, a Debian package, and the SHA-256 sums of both.
//!
//! Everything that is made is also tried: unpacked, held against its sums, started. `--try-package` installs the package
//! on this machine, too, and removes it again.

mod archive;
mod package;
mod trial;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

const USAGE: &str = "\
cargo xtask dist                    builds the program for a release (about eight minutes) and packs it into target/dist-files
cargo xtask dist --binary FILE      packs this program instead
cargo xtask dist --folder FOLDER    into this folder; what is there of an earlier release is replaced
cargo xtask dist --try-package      also installs the package, starts it as its own account, and removes it; needs root
";

/// What a release is made from.
struct Release {
    /// The program.
    binary: PathBuf,
    /// As it says of itself.
    version: String,
    /// The moment of the commit, in Unix seconds: files carry it, so that two builds of one commit are alike.
    moment: String,
    /// Where everything goes.
    folder: PathBuf,
    /// How much time compressing may take: all of it for people, little for a check.
    thorough: bool,
}

/// Makes a release; says whether it did.
///
/// # Errors
/// What could not be made, or does not work.
pub(crate) fn run(words: &[&str]) -> Result<bool> {
    let (mut binary, mut folder, mut try_package) = (None, shell::target().join("dist-files"), false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--binary" => binary = Some(PathBuf::from(words.next().context("--binary needs a file")?)),
            "--folder" => folder = PathBuf::from(words.next().context("--folder needs a folder")?),
            "--try-package" => try_package = true,
            "--help" | "-h" => {
                print!("{USAGE}");
                return Ok(true);
            }
            other => bail!("dist knows no `{other}`:\n{USAGE}"),
        }
    }
    let binary = match binary {
        Some(binary) => std::path::absolute(binary)?,
        None => {
            // Alone, as a user builds it: with the whole workspace it would get features that only tests ask for.
            shell::run(&mut shell::cargo(&["build", "--profile", "dist", "--locked", "--package", "callgate"]))?;
            shell::target().join("dist/callgate")
        }
    };
    let release = Release::of(binary, std::path::absolute(folder)?, true)?;
    let made = release.make()?;
    trial::all(&release, &made)?;
    if try_package {
        trial::installed(&made.package)?;
    }
    for file in [&made.archive, &made.package, &made.sums] {
        println!("{}", file.display());
    }
    Ok(true)
}

/// The same with the binary that tests use, as a step of the test command.
///
/// # Errors
/// What could not be made, or does not work.
pub(crate) fn check_only() -> Result<()> {
    let release = Release::of(shell::target().join("debug/callgate"), shell::target().join("dist-check"), false)?;
    let made = release.make()?;
    trial::all(&release, &made)?;
    // It is as large as the binary, and nobody's release.
    std::fs::remove_dir_all(&release.folder).context("removing what was checked")
}

/// What was made.
struct Made {
    archive: PathBuf,
    package: PathBuf,
    sums: PathBuf,
}

// === impl Release ===

impl Release {
    fn of(binary: PathBuf, folder: PathBuf, thorough: bool) -> Result<Release> {
        let said = shell::output(Command::new(&binary).arg("--version"))?;
        let version = said.trim().strip_prefix("callgate ").context("the binary does not say its version")?.to_owned();
        let moment = shell::output(shell::git(&["log", "-1", "--format=%ct"]).env_remove("SOURCE_DATE_EPOCH"));
        // An unpacked source archive has no history.
        let moment = moment.map_or_else(|_| "0".to_owned(), |moment| moment.trim().to_owned());
        Ok(Release { binary, version, moment, folder, thorough })
    }

    fn make(&self) -> Result<Made> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("emptying {}", self.folder.display()));
            }
            _ => {}
        }
        std::fs::create_dir_all(&self.folder).with_context(|| format!("making {}", self.folder.display()))?;
        let archive = archive::make(self)?;
        let package = package::make(self)?;
        let sums = self.folder.join("SHA256SUMS");
        sum(&self.folder, &[name(&archive)?, name(&package)?], &sums)?;
        Ok(Made { archive, package, sums })
    }

    /// The binary without what only a debugger reads.
    fn stripped(&self, to: &Path) -> Result<()> {
        copy(&self.binary, to, 0o755)?;
        shell::run(Command::new("strip").arg("--strip-unneeded").arg(to))
    }

    /// The manual pages and the completions, as the program itself writes them; `folder` is made.
    fn generated(&self, folder: &Path) -> Result<()> {
        let pages = folder.join("man");
        shell::run(Command::new(&self.binary).arg("man-pages").arg(&pages))?;
        for (shell_name, file) in [("bash", "callgate.bash"), ("zsh", "_callgate"), ("fish", "callgate.fish")] {
            let text = shell::output(Command::new(&self.binary).args(["completions", shell_name]))?;
            write(&folder.join("completions").join(file), &text, 0o644)?;
        }
        Ok(())
    }
}

/// Writes a `SHA256SUMS` over files of a folder.
fn sum(folder: &Path, files: &[String], to: &Path) -> Result<()> {
    let sums = shell::output(Command::new("sha256sum").arg("--").args(files).current_dir(folder))?;
    write(to, &sums, 0o644)
}

fn name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    Ok(name.with_context(|| format!("{} has no name", path.display()))?.to_owned())
}

/// Copies a file to a place whose folder may not be there yet.
fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    make_parent(to)?;
    std::fs::copy(from, to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    set_mode(to, mode)
}

fn write(to: &Path, text: &str, mode: u32) -> Result<()> {
    make_parent(to)?;
    std::fs::write(to, text).with_context(|| format!("writing {}", to.display()))?;
    set_mode(to, mode)
}

fn make_parent(to: &Path) -> Result<()> {
    let Some(parent) = to.parent() else { return Ok(()) };
    std::fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("setting the mode of {}", path.display()))
}
