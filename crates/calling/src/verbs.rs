//! `callgate get|post|put|patch|delete|head|options|call URL [ITEM…]`: HTTPie's letters, with some of curl's.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use crate::draft::{Draft, Members, quoted};
use crate::intake;
use crate::items::{Edit, Item, Text};
use crate::percent;
use crate::problem::Problem;
use crate::request::{Payload, Request};
use crate::send::{Http, Sending};
use crate::show::{Form, Showing};
use crate::url::User;

/// The words and options of one command, as the command line's parser delivers them. Texts are as typed.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    /// The verb's method; `-X` overrides it. Absent for `call`.
    pub method: Option<String>,
    /// The URL, with shorthands.
    pub url: String,
    /// What follows the URL.
    pub items: Vec<String>,
    /// `-H 'Name: value'`.
    pub headers: Vec<String>,
    /// `-d TEXT`, `-d @FILE`; several are joined by `&`.
    pub data: Vec<String>,
    /// Items make a form, `application/x-www-form-urlencoded`, not a JSON object.
    pub form: bool,
    /// Says that the body is JSON; that is the default for items, and decides for `-d`.
    pub json: bool,
    /// `-u NAME:PASSWORD`.
    pub user: Option<String>,
    /// What came in by a pipe, as the body.
    pub stdin: Option<Bytes>,
    /// `-k`: any certificate.
    pub insecure: bool,
    /// `-L`: follow redirects.
    pub follow: bool,
    /// `--max-time SECONDS`, for the whole call.
    pub max_time: Option<Duration>,
    /// `--connect-timeout SECONDS`.
    pub connect_timeout: Option<Duration>,
    /// HTTP/1.1 or HTTP/2 where the server could choose.
    pub http: Http,
    /// `-o FILE`.
    pub output: Option<PathBuf>,
    /// `-i`: the head in a pipe too.
    pub include: bool,
    /// `-v`: the request too.
    pub verbose: bool,
    /// `--show-secrets`.
    pub show_secrets: bool,
    /// `--report json`.
    pub report: bool,
}

/// A request, and how to send and show it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What is sent.
    pub request: Request,
    /// How.
    pub sending: Sending,
    /// What is shown of it.
    pub showing: Showing,
}

/// What the items say about the body.
#[derive(Default)]
struct BodyItems {
    members: Members,
    form: Vec<String>,
    file: Option<String>,
}

// === impl Arguments ===

impl Arguments {
    /// Reads every word, and the files that they name. Returns every mistake.
    pub fn prepare(self) -> Result<Prepared, Vec<Problem>> {
        let mut problems = Vec::new();
        let showing = Showing {
            form: if self.report { Form::Report } else { Form::Answer },
            include_head: self.include,
            verbose: self.verbose,
            show_secrets: self.show_secrets,
            output: self.output.clone(),
            ..Showing::default()
        };
        let usual = Sending::default();
        let sending = Sending {
            insecure: self.insecure,
            follow: self.follow,
            connect: self.connect_timeout.unwrap_or(usual.connect),
            total: self.max_time,
            http: self.http,
        };
        let request = self.draft(&mut problems).finish(&mut problems);
        match request {
            Some(request) if problems.is_empty() => Ok(Prepared { request, sending, showing }),
            _ => Err(problems),
        }
    }

    fn draft(self, problems: &mut Vec<Problem>) -> Draft {
        let mut draft = Draft::new(self.url);
        draft.method = self.method;
        draft.user = self.user.as_deref().map(User::parse);
        let mut body = BodyItems::default();
        for typed in &self.items {
            match Item::parse(typed) {
                Ok(item) => take(item, self.form, &mut draft, &mut body, problems),
                Err(problem) => problems.push(problem),
            }
        }
        for typed in &self.headers {
            match Edit::parse(typed) {
                Ok(edit) => draft.edits.push(edit),
                Err(problem) => problems.push(problem),
            }
        }
        let ways = [
            (!body.members.is_empty() || !body.form.is_empty(), "items"),
            (body.file.is_some(), "@file"),
            (!self.data.is_empty(), "-d"),
        ];
        let ways: Vec<&str> = ways.iter().filter(|(used, _)| *used).map(|(_, way)| *way).collect();
        if ways.len() > 1 {
            let what = format!("the body is given in {} ways: {}", ways.len(), ways.join(", "));
            problems.push(Problem::new(what, "keep one of them"));
        }
        // Not read where the command line has a body: under cron and in CI, standard input is often something else.
        let stdin = self.stdin.filter(|bytes| ways.is_empty() && !bytes.is_empty());
        if let Err(problem) = set_body(&mut draft, body, &self.data, stdin, (self.json, self.form)) {
            problems.push(problem);
        }
        draft
    }
}

fn take(item: Item, form: bool, draft: &mut Draft, body: &mut BodyItems, problems: &mut Vec<Problem>) {
    match item {
        Item::Header(edit) => draft.edits.push(edit),
        Item::Query { name, value } => {
            draft.query.push(format!("{}={}", percent::component(&name), percent::component(&value)));
        }
        Item::Body { path } if body.file.is_none() => body.file = Some(path),
        Item::Body { path } => {
            problems.push(Problem::new(format!("`@{path}` is a second body"), "keep one file as the body"));
        }
        Item::Text { name, value } => match content(value) {
            Ok(text) if form => body.form.push(format!("{}={}", percent::form(&name), percent::form(&text))),
            Ok(text) => body.members.set(name, quoted(&text)),
            Err(problem) => problems.push(problem),
        },
        Item::Json { name, .. } if form => {
            let fix = format!("write `{name}=…`, or leave --form out");
            problems.push(Problem::new(format!("`{name}:=…` is JSON, and --form has none"), fix));
        }
        Item::Json { name, value } => match content(value).and_then(|text| checked_json(&name, &text)) {
            Ok(json) => body.members.set(name, json),
            Err(problem) => problems.push(problem),
        },
    }
}

fn content(text: Text) -> Result<String, Problem> {
    match text {
        Text::Here(text) => Ok(text),
        Text::File(path) => intake::text(&path),
    }
}

/// JSON as it was written, once it is known to be JSON.
fn checked_json(name: &str, text: &str) -> Result<String, Problem> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(text.trim().to_owned()),
        Err(cause) => Err(Problem::new(
            format!("`{name}:=` is followed by what is no JSON ({cause})"),
            format!("write JSON, or `{name}=…` for a string"),
        )),
    }
}

const JSON: &str = "application/json";
/// HTTPie's: JSON before anything else, but anything.
const ACCEPT_JSON: &str = "application/json, */*;q=0.5";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

fn set_body(
    draft: &mut Draft,
    body: BodyItems,
    data: &[String],
    stdin: Option<Bytes>,
    (json, form): (bool, bool),
) -> Result<(), Problem> {
    if json {
        draft.accept = ACCEPT_JSON;
    }
    if let Some(path) = body.file {
        draft.payload = intake::payload(&path)?;
        draft.content_type = Some(if json || path == "-" { JSON } else { intake::content_type(&path) });
    } else if !body.members.is_empty() {
        draft.accept = ACCEPT_JSON;
        draft.content_type = Some(JSON);
        draft.payload = Payload::Whole(body.members.into_bytes());
    } else if !body.form.is_empty() {
        draft.content_type = Some(FORM);
        draft.payload = Payload::Whole(body.form.join("&").into());
    } else if !data.is_empty() {
        let parts: Vec<Vec<u8>> = data.iter().map(|typed| data_part(typed)).collect::<Result<_, _>>()?;
        let bytes = parts.join(&b'&');
        let is_json = json || (!form && looks_like_json(&bytes));
        draft.content_type = Some(if is_json { JSON } else { FORM });
        draft.payload = Payload::Whole(bytes.into());
    } else if let Some(bytes) = stdin {
        draft.content_type = Some(if form { FORM } else { JSON });
        draft.payload = Payload::Whole(bytes);
    } else if form && draft.method.as_deref().is_some_and(|method| ["POST", "PUT", "PATCH"].contains(&method)) {
        draft.content_type = Some(FORM);
        draft.payload = Payload::Whole(Bytes::new());
    }
    Ok(())
}

fn data_part(typed: &str) -> Result<Vec<u8>, Problem> {
    match typed.strip_prefix('@') {
        Some(path) => intake::bytes(path),
        None => Ok(typed.as_bytes().to_vec()),
    }
}

/// `-d '{"a":1}'` is JSON here, whatever curl would call it: nobody means a form by it. `callgate curl` says what curl
/// says.
fn looks_like_json(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
        && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}
