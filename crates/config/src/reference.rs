//! `docs/configuration.md`: the reference of every setting, made from the table of settings.

use crate::settings::{Kind, ROOT, Section, Setting};

const INTRODUCTION: &str = "\
# Configuration reference

<!-- Generated from crates/config/src/settings/. To renew it: CALLGATE_UPDATE=1 cargo test -p callgate-config -->

`callgate.yaml` says what the gate does. `callgate check` reads it and names every mistake at once: the line, a caret under
the place, and what to write instead. A setting that is not known, or that could never have an effect, is a mistake. Editors
complete and check the file with [`callgate.schema.json`](callgate.schema.json); put this line at its top:
`# yaml-language-server: $schema=callgate.schema.json`.

The smallest useful file:

```yaml
";

const FORMS: &str = "\
```

## How values are written

| form | how |
|---|---|
| duration | `500ms`, `10s`, `5m`, `1h`, `30d` |
| size | `512KiB`, `1MiB`, `10MB`, or a plain number of bytes |
| limit | `[name:] N/s\\|min\\|h\\|day [burst B] [per key\\|consumer\\|ip\\|api\\|route\\|header:NAME]`, for example `login: 5/min per ip`. Without `burst`, as many may come at once as the rate says. `per header:NAME` needs another limit beside it: callers choose a header's value |
| quota | `[name:] N/hour\\|day\\|month [per key\\|consumer]`, counted by the calendar in UTC: `1000/day`, `1M/month` |
| addresses | `10.6.6.6`, `10.0.0.0/8`, `fd00::/8` |
| one or a list | where a list can be written, a single value can stand without brackets |
| secret | `env:NAME` or `file:PATH` as a whole header value: taken from the environment or the file when the configuration is read |
| path | relative to the folder of `callgate.yaml` |

Texts with `*`, `{`, `: ` or a leading `[` need quotes in YAML: `\"* /admin/**\"`. `true` and `false` are the only flags: `on`,
`yes` and `no` are texts. Anchors, aliases and tags are not read.
";

/// The whole document.
#[must_use]
pub fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    text.push_str(crate::write::SMALLEST);
    text.push_str(FORMS);
    for section in ROOT.below() {
        text.push_str(&of_section(section));
    }
    text
}

fn of_section(section: &Section) -> String {
    let title = if std::ptr::eq(section, &ROOT) { section.title.to_owned() } else { format!("`{}`", section.title) };
    let mut text = format!("\n## {title}\n\n{}\n\n", section.doc);
    text.push_str("| setting | type | default | meaning | example |\n|---|---|---|---|---|\n");
    for setting in section.settings() {
        text.push_str(&of_setting(setting));
    }
    text
}

fn of_setting(setting: &Setting) -> String {
    let default = match setting.default {
        "" if setting.needed => "**needed**".to_owned(),
        "" => String::new(),
        words if words.contains(' ') || words == "empty" => words.to_owned(),
        word => format!("`{word}`"),
    };
    let cell = |text: &str| text.replace('|', "\\|");
    format!(
        "| `{}` | {} | {} | {} | `{}` |\n",
        setting.name,
        cell(&form(&setting.kind)),
        cell(&default),
        cell(setting.doc),
        cell(setting.example)
    )
}

fn form(kind: &Kind) -> String {
    match kind {
        Kind::Version => "`1`".to_owned(),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Count(least, most) => format!("number, {least} to {most}"),
        Kind::Bytes => "size".to_owned(),
        Kind::Duration => "duration".to_owned(),
        // The form after the colon is told once, at the top.
        Kind::Text(what) => (*what).to_owned(),
        Kind::Rate(what) => what.split(':').next().unwrap_or(what).to_owned(),
        Kind::Choice(words) => crate::walk::or_list(words.iter().copied()),
        Kind::Many(kind) => format!("{}; or a list", form(kind)),
        Kind::Either(kinds) => kinds.iter().map(form).collect::<Vec<_>>().join(", or "),
        Kind::Section(section) => link("mapping", section),
        Kind::Named(section) => link("mapping of names", section),
        Kind::Routes(section) => link("list of routes", section),
        Kind::Fields => "mapping of header names to values".to_owned(),
    }
}

/// A link to a section's heading, as GitHub makes its anchors: lower case, punctuation dropped, spaces as `-`.
fn link(text: &str, section: &Section) -> String {
    let anchor: String = section
        .title
        .chars()
        .filter_map(|character| match character {
            ' ' => Some('-'),
            _ if character.is_alphanumeric() || matches!(character, '_' | '-') => Some(character.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    format!("[{text}](#{anchor})")
}
