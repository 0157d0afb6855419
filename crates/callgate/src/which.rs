//! Which gate a command is about: the arguments that all administrative commands share, and the way to it.
//!
//! A running gate is asked over the socket in its data folder; the configuration only says where that folder is. So a
//! file that is broken at the moment, or whose secrets are in another shell's environment, keeps nobody from revoking a
//! key. Without a running gate the whole configuration is needed, because plans and APIs are held against it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use callgate_admin::client::client_config;
use callgate_admin::{AdminClient, Door, NoGate};
use callgate_config::Config;
use callgate_model::{Clock, Secret};
use clap::Args;

use crate::terminal;

const CONFIG: &str = "./callgate.yaml";
/// Where `guard` keeps its data, and every configuration that says nothing else.
const DATA_DIR: &str = "./callgate-data";
/// The environment's variable with the token of an admin API over TCP; an argument would be in every list of processes.
const TOKEN: &str = "CALLGATE_ADMIN_TOKEN";
/// What new keys begin with where no configuration says it.
const BRAND: &str = "cg";
const HEADING: &str = "Which gate";

/// Which gate: its configuration, its data folder, or its admin address.
#[derive(Debug, Clone, Default, Args)]
pub struct Which {
    /// The gate's configuration [default: ./callgate.yaml]
    #[arg(short = 'c', long = "config", value_name = "FILE", help_heading = HEADING)]
    config: Option<PathBuf>,
    /// The gate's data folder, instead of a configuration [default: ./callgate-data where there is no callgate.yaml]
    #[arg(long, value_name = "FOLDER", help_heading = HEADING, conflicts_with = "config")]
    data_dir: Option<PathBuf>,
    /// A gate elsewhere, https://HOST:PORT; its token comes from CALLGATE_ADMIN_TOKEN or a file
    #[arg(long, value_name = "URL", help_heading = HEADING, conflicts_with_all = ["config", "data_dir"])]
    admin: Option<String>,
    /// The file with the token for --admin
    #[arg(long, value_name = "FILE", help_heading = HEADING, requires = "admin")]
    admin_token_file: Option<PathBuf>,
    /// Certificates that --admin is trusted by, besides the system's
    #[arg(long, value_name = "PEM", help_heading = HEADING, requires = "admin")]
    admin_ca: Option<PathBuf>,
}

/// A gate on this machine.
#[derive(Debug)]
struct Here {
    data_dir: PathBuf,
    says: Says,
}

/// What a configuration says besides.
#[derive(Debug)]
enum Says {
    /// There is no file.
    Nothing,
    Config(Box<Config>),
    /// Its mistakes, rendered; only the data folder could be made out.
    Mistakes(String),
}

// === impl Which ===

impl Which {
    /// A way to the gate. Where no gate is running, acts are done in its data folder, and standard error says so.
    ///
    /// # Errors
    /// Nothing says which gate, or there is no way to it.
    pub async fn door(&self) -> Result<Door> {
        let door = match &self.admin {
            Some(url) => self.elsewhere(url)?,
            None => self.here()?.door().await?,
        };
        if let Some(notice) = door.notice() {
            anstream::eprintln!("{notice}");
        }
        Ok(door)
    }

    /// A way for what only reads. It says nothing, and it makes no data folder where there is none.
    ///
    /// # Errors
    /// As for [`Which::door`], or nothing was recorded yet.
    pub async fn reading_door(&self) -> Result<Door> {
        let here = match &self.admin {
            Some(url) => return self.elsewhere(url),
            None => self.here()?,
        };
        if !here.data_dir.exists() {
            bail!("{} is not there: the gate of this configuration has not run yet", here.data_dir.display());
        }
        here.door().await
    }

    /// The data folder of a gate on this machine.
    ///
    /// # Errors
    /// Nothing says which, or the gate is elsewhere.
    pub fn data_dir(&self) -> Result<PathBuf> {
        if let Some(url) = &self.admin {
            bail!(
                "{url} has its data folder elsewhere: run this where the gate runs, with -c FILE or --data-dir FOLDER"
            );
        }
        Ok(self.here()?.data_dir)
    }

    /// The same, where the folder need not be there yet.
    ///
    /// # Errors
    /// See [`Which::data_dir`].
    pub fn data_dir_to_make(&self) -> Result<PathBuf> {
        match (&self.admin, &self.data_dir, &self.config) {
            (None, Some(folder), _) => Ok(folder.clone()),
            (None, None, None) if !Path::new(CONFIG).exists() => Ok(PathBuf::from(DATA_DIR)),
            _ => self.data_dir(),
        }
    }

    /// The configuration, where there is one on this machine and it is in order.
    #[must_use]
    pub fn config(&self) -> Option<Config> {
        if self.admin.is_some() || self.data_dir.is_some() {
            return None;
        }
        let file = self.config.as_deref().unwrap_or(Path::new(CONFIG));
        callgate_config::load(file).ok().map(|loaded| loaded.config)
    }

    /// The arguments that lead to the same gate again, as they are written behind a command that is shown to paste:
    /// ` -c shop.yaml`. Empty where none were given.
    #[must_use]
    pub fn repeated(&self) -> String {
        let path = |path: &PathBuf| path.display().to_string();
        let given = [
            ("-c", self.config.as_ref().map(path)),
            ("--data-dir", self.data_dir.as_ref().map(path)),
            ("--admin", self.admin.clone()),
            ("--admin-token-file", self.admin_token_file.as_ref().map(path)),
            ("--admin-ca", self.admin_ca.as_ref().map(path)),
        ];
        let given = given.into_iter().filter_map(|(option, value)| Some(format!(" {option} {}", quoted(&value?))));
        given.collect()
    }

    fn elsewhere(&self, url: &str) -> Result<Door> {
        let token = match &self.admin_token_file {
            Some(file) => {
                let text = std::fs::read_to_string(file);
                text.with_context(|| format!("{} with the admin token can't be read", file.display()))?
            }
            None => match std::env::var(TOKEN) {
                Ok(text) => text,
                Err(_) => bail!("--admin needs a token: set {TOKEN}, or name a file with --admin-token-file"),
            },
        };
        let tls = client_config(self.admin_ca.as_deref())?;
        Ok(Door::Gate(AdminClient::over_tcp(url, Secret::new(token.trim()), tls)?))
    }

    fn here(&self) -> Result<Here> {
        if let Some(folder) = &self.data_dir {
            return Here::of_folder(folder);
        }
        let default = Path::new(CONFIG);
        match &self.config {
            Some(file) => Here::of_config(file),
            None if default.exists() => Here::of_config(default),
            None if Path::new(DATA_DIR).exists() => Here::of_folder(Path::new(DATA_DIR)),
            None => bail!(
                "there is neither {CONFIG} nor {DATA_DIR} here: say which gate with -c FILE, --data-dir FOLDER or --admin URL"
            ),
        }
    }
}

// === impl Here ===

impl Here {
    /// A folder that is there: making a new one would answer a misspelt name with an empty store.
    fn of_folder(folder: &Path) -> Result<Here> {
        if !folder.is_dir() {
            bail!("{} is not there: name the folder that `data_dir` names, or that `guard` made", folder.display());
        }
        Ok(Here { data_dir: folder.to_owned(), says: Says::Nothing })
    }

    fn of_config(file: &Path) -> Result<Here> {
        let report = match callgate_config::load(file) {
            Ok(loaded) => {
                let config = loaded.config;
                return Ok(Here { data_dir: config.data_dir.clone(), says: Says::Config(Box::new(config)) });
            }
            Err(report) => report,
        };
        let mistakes = report.render(terminal::colours_on_stderr()).trim_end().to_owned();
        match data_dir_in(&report.source, file) {
            Some(data_dir) => Ok(Here { data_dir, says: Says::Mistakes(mistakes) }),
            None if report.source.is_empty() => bail!("{mistakes}"),
            None => bail!("{mistakes}\na running gate can be asked in spite of that, with --data-dir FOLDER"),
        }
    }

    async fn door(self) -> Result<Door> {
        let (brand, no_gate) = match &self.says {
            Says::Nothing => (BRAND, NoGate::default()),
            Says::Config(config) => (config.key_brand.as_str(), NoGate::of(config)),
            Says::Mistakes(mistakes) => match AdminClient::over_socket(&self.data_dir).await? {
                Some(client) => return Ok(Door::Gate(client)),
                None => bail!("{mistakes}\nno gate is running, so the file has to be in order for this"),
            },
        };
        Ok(Door::open(&self.data_dir, Clock::system(), brand, no_gate).await?)
    }
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+=,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The `data_dir` of a file that has mistakes elsewhere; none when that cannot be told for sure.
fn data_dir_in(source: &str, file: &Path) -> Option<PathBuf> {
    let root = callgate_config::parse_tree(source).ok()?;
    let entry = root.entries().iter().find(|entry| entry.key == "data_dir");
    let written = match entry {
        // A text that is looked up elsewhere (`env:NAME`) is not a path.
        Some(entry) => entry.value.text().filter(|text| !text.starts_with("env:") && !text.starts_with("file:"))?,
        None if root.entries().is_empty() => return None,
        None => DATA_DIR,
    };
    let file = std::path::absolute(file).ok()?;
    Some(file.parent()?.join(written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_folder_of_a_file_with_mistakes() {
        let check = |source: &str, expect: Option<&str>| {
            let found = data_dir_in(source, Path::new("/etc/callgate/callgate.yaml"));
            assert_eq!(found.as_deref(), expect.map(Path::new), "{source}");
        };
        check("data_dir: /var/lib/callgate\napiss: {}", Some("/var/lib/callgate"));
        check("data_dir: data\nlisten: {", None);
        check("data_dir: data", Some("/etc/callgate/data"));
        check("version: 2", Some("/etc/callgate/./callgate-data"));
        check("data_dir: env:DATA", None);
        check("data_dir: [a]", None);
        check("", None);
    }

    #[test]
    fn which_gate_is_repeated_as_a_shell_takes_it() {
        let check = |which: Which, expect: &str| assert_eq!(which.repeated(), expect);
        check(Which::default(), "");
        check(Which { config: Some("../shop.yaml".into()), ..Which::default() }, " -c ../shop.yaml");
        check(Which { data_dir: Some("it's here".into()), ..Which::default() }, r" --data-dir 'it'\''s here'");
        let admin = Some("https://127.0.0.1:9".to_owned());
        let far = Which { admin, admin_token_file: Some("token".into()), ..Which::default() };
        check(far, " --admin https://127.0.0.1:9 --admin-token-file token");
    }
}
