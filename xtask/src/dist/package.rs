//! The Debian package: the program, its unit, a first configuration, manual pages, completions, and the scripts of
//! `packaging/debian`, which make the account and start the service where systemd runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Release, copy, write};
use crate::shell;

/// Documents that are read beside the program.
const DOCUMENTS: &[&str] = &["README.md", "SECURITY.md"];

/// Makes it.
pub(super) fn make(release: &Release) -> Result<PathBuf> {
    let tree = release.folder.join("debian");
    let binary = tree.join("usr/bin/callgate");
    release.stripped(&binary)?;
    place(release, &tree)?;
    control(release, &tree, &binary)?;
    let (architecture, _) = architecture()?;
    let package = release.folder.join(format!("callgate_{}_{architecture}.deb", release.version));
    let compress: &[&str] = if release.thorough { &["-Zxz"] } else { &["-Zgzip", "-z1"] };
    let mut build = Command::new("dpkg-deb");
    build.args(compress).args(["--root-owner-group", "--build"]).arg(&tree).arg(&package);
    shell::run(build.env("SOURCE_DATE_EPOCH", &release.moment))?;
    std::fs::remove_dir_all(&tree).context("removing the tree that was packed")?;
    Ok(package)
}

/// Everything but the program, at its place in the file system.
fn place(release: &Release, tree: &Path) -> Result<()> {
    let root = shell::root();
    for unit in ["callgate.service", "callgate.socket"] {
        let to = tree.join("usr/lib/systemd/system").join(unit);
        copy(&root.join("packaging/systemd").join(unit), &to, 0o644)?;
    }
    copy(&root.join("packaging/callgate.yaml"), &tree.join("etc/callgate/callgate.yaml"), 0o640)?;
    let documents = tree.join("usr/share/doc/callgate");
    for document in DOCUMENTS {
        copy(&root.join(document), &documents.join(document), 0o644)?;
    }
    for entry in root.join("docs").read_dir().context("reading docs")? {
        let path = entry?.path();
        if path.is_file() {
            copy(&path, &documents.join(super::name(&path)?), 0o644)?;
        }
    }
    let changes = documents.join("changelog");
    copy(&root.join("CHANGELOG.md"), &changes, 0o644)?;
    let copyright = format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: callgate\n\nFiles: *\nCopyright: The Callgate authors\nLicense: Apache-2.0\n \
         On Debian systems the text is in {}.\n",
        "/usr/share/common-licenses/Apache-2.0"
    );
    write(&documents.join("copyright"), &copyright, 0o644)?;
    let generated = release.folder.join("generated");
    release.generated(&generated)?;
    for entry in generated.join("man").read_dir().context("reading the manual pages")? {
        let page = entry?.path();
        let to = tree.join("usr/share/man/man1").join(super::name(&page)?);
        copy(&page, &to, 0o644)?;
    }
    // As Debian's policy asks of manual pages and changelogs.
    shell::run(
        Command::new("gzip")
            .args(["--no-name", "-9", "--recursive", "usr/share/man/man1"])
            .arg(&changes)
            .current_dir(tree),
    )?;
    for (file, to) in [
        ("callgate.bash", "usr/share/bash-completion/completions/callgate"),
        ("_callgate", "usr/share/zsh/vendor-completions/_callgate"),
        ("callgate.fish", "usr/share/fish/vendor_completions.d/callgate.fish"),
    ] {
        copy(&generated.join("completions").join(file), &tree.join(to), 0o644)?;
    }
    std::fs::remove_dir_all(&generated).context("removing what was copied")
}

fn control(release: &Release, tree: &Path, binary: &Path) -> Result<()> {
    let (architecture, linker) = architecture()?;
    let bytes = std::fs::read(binary).with_context(|| format!("reading {}", binary.display()))?;
    let libc = glibc(&bytes).with_context(|| format!("{linker}: no version of glibc is named in the binary"))?;
    let size: u64 = kib(tree)?;
    let control = format!(
        "Package: callgate\nVersion: {}\nArchitecture: {architecture}\nSection: net\nPriority: optional\n\
         Maintainer: The Callgate authors <callgate@localhost>\nInstalled-Size: {size}\n\
         Depends: libc6 (>= {libc}), libgcc-s1, passwd\nRecommends: ca-certificates\n\
         Description: API gateway in one program\n \
         Stands before HTTP APIs, decides for every call whether it may pass, and can say\n why not: keys, limits, \
         quotas, TLS, records, metrics. Nothing else has to run.\n",
        release.version
    );
    write(&tree.join("DEBIAN/control"), &control, 0o644)?;
    write(&tree.join("DEBIAN/conffiles"), "/etc/callgate/callgate.yaml\n", 0o644)?;
    for script in ["postinst", "prerm", "postrm"] {
        let from = shell::root().join("packaging/debian").join(script);
        copy(&from, &tree.join("DEBIAN").join(script), 0o755)?;
    }
    Ok(())
}

/// Debian's word for this machine's processor.
fn architecture() -> Result<(&'static str, &'static str)> {
    match std::env::consts::ARCH {
        known @ "x86_64" => Ok(("amd64", known)),
        known @ "aarch64" => Ok(("arm64", known)),
        other => bail!("Debian's word for {other} is not written here yet"),
    }
}

/// The newest `GLIBC_2.N` that a binary asks of its C library, as `2.N`.
fn glibc(binary: &[u8]) -> Option<String> {
    const MARK: &[u8] = b"GLIBC_2.";
    let starts = binary.windows(MARK.len()).enumerate().filter(|(_, bytes)| *bytes == MARK);
    let minor = |start: usize| {
        let digits = binary.get(start + MARK.len()..)?.iter().take_while(|byte| byte.is_ascii_digit());
        String::from_utf8(digits.copied().collect()).ok()?.parse::<u32>().ok()
    };
    let newest = starts.filter_map(|(start, _)| minor(start)).max()?;
    Some(format!("2.{newest}"))
}

/// What files below this take, in KiB.
fn kib(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in folder.read_dir().with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { kib(&entry.path())? } else { metadata.len().div_ceil(1024) };
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_c_library_that_a_binary_asks_for() {
        let check = |binary: &[u8], expect: Option<&str>| assert_eq!(glibc(binary).as_deref(), expect);
        check(b"\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.2.5\0GLIBC_PRIVATE\0", Some("2.34"));
        check(b"GLIBC_2.", None);
        check(b"", None);
    }
}
