//! The archive: one folder with the program, what belongs beside it, and the sums of all of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Release, copy, name, sum};
use crate::shell;

/// Files of the repository, and their places in the folder.
const FILES: &[(&str, &str)] = &[
    ("LICENSE", "LICENSE"),
    ("README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("SECURITY.md", "SECURITY.md"),
    ("packaging/Containerfile", "Containerfile"),
    ("packaging/systemd/callgate.service", "systemd/callgate.service"),
    ("packaging/systemd/callgate.socket", "systemd/callgate.socket"),
    ("packaging/callgate.yaml", "callgate.yaml"),
];

/// Makes it.
pub(super) fn make(release: &Release) -> Result<PathBuf> {
    let title = format!("callgate-{}-{}-{}", release.version, std::env::consts::ARCH, std::env::consts::OS);
    let folder = release.folder.join(&title);
    release.stripped(&folder.join("bin/callgate"))?;
    release.generated(&folder)?;
    for (from, to) in FILES {
        copy(&shell::root().join(from), &folder.join(to), 0o644)?;
    }
    for kind in ["docs", "examples"] {
        for file in tracked(kind)? {
            copy(&shell::root().join(&file), &folder.join(&file), 0o644)?;
        }
    }
    let mut inside = Vec::new();
    list(&folder, &folder, &mut inside)?;
    inside.sort();
    sum(&folder, &inside, &folder.join("SHA256SUMS"))?;
    let archive = release.folder.join(format!("{title}.tar.gz"));
    pack(release, &folder, &archive)?;
    std::fs::remove_dir_all(&folder).context("removing the folder that was packed")?;
    Ok(archive)
}

/// One order, one owner, one moment: the same commit makes the same archive.
fn pack(release: &Release, folder: &Path, archive: &Path) -> Result<()> {
    let level = if release.thorough { "-9" } else { "-1" };
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"])
        .arg(format!("--mtime=@{}", release.moment))
        .arg(format!("--use-compress-program=gzip --no-name {level}"))
        .arg("--create")
        .arg("--file")
        .arg(archive)
        .arg("--directory")
        .arg(&release.folder)
        .arg(name(folder)?);
    shell::run(&mut tar)
}

/// Files below a folder of the repository, as git knows them: no editor's leftovers.
fn tracked(folder: &str) -> Result<Vec<PathBuf>> {
    let list = shell::output(&mut shell::git(&["ls-files", "--", folder])).context("asking git for the files")?;
    Ok(list.lines().map(PathBuf::from).collect())
}

/// Every file below `folder`, relative to `root`.
fn list(root: &Path, folder: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in folder.read_dir().with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, found)?;
        } else if let Some(relative) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            found.push(relative.to_owned());
        }
    }
    Ok(())
}
