//! `callgate curl …`: a curl command line, pasted as it is.
//!
//! What differs from curl: a URL without a scheme goes to https unless it is this machine's ([`crate::url`]); paths go
//! out as written (curl's `--path-as-is`); the exit codes are this client's own. An option that would change the call
//! and is not known here is a mistake, never ignored.

mod data;
mod nearest;
mod options;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use crate::draft::Draft;
use crate::items::Edit;
use crate::problem::Problem;
use crate::request::Payload;
use crate::send::Sending;
use crate::show::Showing;
use crate::url::{Url, User};
use crate::verbs::Prepared;
use options::{Act, Known, Wants};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// What the options say, while they are read.
#[derive(Default)]
struct Read {
    urls: Vec<String>,
    method: Option<String>,
    edits: Vec<Edit>,
    user: Option<String>,
    bearer: Option<String>,
    /// Every `-d` with its `&` between them; every `--json` follows without one.
    data: Option<Vec<u8>>,
    json: bool,
    get: bool,
    head: bool,
    remote_name: bool,
    /// Browsers copy a call with `Accept-Encoding` and `--compressed`; both go, or nobody could read the answer.
    uncompressed: bool,
    sending: Sending,
    showing: Showing,
}

/// Reads the words after `callgate curl`, and the files that they name. Returns every mistake.
pub fn curl_args(words: &[String]) -> Result<Prepared, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut read = Read::default();
    let mut words = words.iter().map(String::as_str);
    let mut only_urls = false;
    while let Some(word) = words.next() {
        match word {
            _ if only_urls => read.urls.push(word.to_owned()),
            "--" => only_urls = true,
            _ if word.starts_with("--") => long(word, &mut words, &mut read, &mut problems),
            "-" => problems.push(Problem::new("`-` is no URL", "write `-d @-` for a body from standard input")),
            _ if word.starts_with('-') => short(word, &mut words, &mut read, &mut problems),
            url => read.urls.push(url.to_owned()),
        }
    }
    finish(read, problems)
}

/// `--name`, `--name value`, `--name=value`.
fn long<'w>(word: &'w str, words: &mut impl Iterator<Item = &'w str>, read: &mut Read, problems: &mut Vec<Problem>) {
    let (name, joined) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let Some(known) = options::by_name(name) else {
        problems.push(unknown(name));
        return;
    };
    match known.wants {
        Wants::Nothing => act(known, "", read, problems),
        Wants::Value => match joined.or_else(|| words.next()) {
            Some(value) => act(known, value, read, problems),
            None => problems.push(without_value(name)),
        },
    }
}

/// `-k`, `-sSL`, `-XPOST`, `-X POST`.
fn short<'w>(word: &'w str, words: &mut impl Iterator<Item = &'w str>, read: &mut Read, problems: &mut Vec<Problem>) {
    let mut letters = word.chars();
    letters.next();
    while let Some(letter) = letters.next() {
        let Some(known) = options::by_letter(letter) else {
            problems.push(unknown(&format!("-{letter}")));
            return;
        };
        if known.wants == Wants::Nothing {
            act(known, "", read, problems);
            continue;
        }
        let rest = letters.as_str();
        match Some(rest).filter(|rest| !rest.is_empty()).or_else(|| words.next()) {
            Some(value) => act(known, value, read, problems),
            None => problems.push(without_value(&format!("-{letter}"))),
        }
        return;
    }
}

/// Does what one option says.
fn act(known: &Known, value: &str, read: &mut Read, problems: &mut Vec<Problem>) {
    let owned = value.to_owned();
    match known.act {
        Act::Url => read.urls.push(owned),
        Act::Method => read.method = Some(owned),
        Act::User => read.user = Some(owned),
        Act::Bearer => read.bearer = Some(owned),
        Act::Header => match Edit::parse(value) {
            Ok(edit) => read.edits.push(edit),
            Err(problem) => problems.push(problem),
        },
        Act::Field(name) => read.edits.push(Edit::Set(name.to_owned(), owned)),
        Act::Cookie if value.contains('=') => read.edits.push(Edit::Set("cookie".to_owned(), owned)),
        Act::Cookie => {
            let fix = "write the cookies themselves, `-b 'name=value'`";
            problems.push(Problem::new(format!("-b {value} names a cookie file, which is not there yet"), fix));
        }
        Act::Data(kind) => match data::read(kind, value) {
            Ok(bytes) => read.add_data(&bytes, kind),
            Err(problem) => problems.push(problem),
        },
        Act::Get => read.get = true,
        Act::Head => read.head = true,
        Act::Insecure => read.sending.insecure = true,
        Act::Follow => read.sending.follow = true,
        Act::Compressed => read.uncompressed = true,
        Act::Http(http) => read.sending.http = http,
        Act::MaxTime => read.sending.total = seconds(known, value, problems).or(read.sending.total),
        Act::ConnectTimeout => {
            read.sending.connect = seconds(known, value, problems).unwrap_or(read.sending.connect);
        }
        Act::Output => read.showing.output = Some(PathBuf::from(owned)).filter(|_| value != "-"),
        Act::RemoteName => read.remote_name = true,
        Act::Include => read.showing.include_head = true,
        Act::Verbose => read.showing.verbose = true,
        Act::Silent => read.showing.silent = true,
        Act::ShowError => read.showing.show_error = true,
        Act::Fail => read.showing.fail = true,
        Act::Nothing => {}
        Act::NotYet(fix) => problems.push(Problem::new(format!("{} is not there yet", known.name), fix)),
    }
}

// === impl Read ===

impl Read {
    fn add_data(&mut self, bytes: &[u8], kind: data::Kind) {
        self.json |= kind == data::Kind::Json;
        match &mut self.data {
            None => self.data = Some(bytes.to_vec()),
            Some(before) => {
                if kind != data::Kind::Json {
                    before.push(b'&');
                }
                before.extend_from_slice(bytes);
            }
        }
    }
}

fn finish(mut read: Read, mut problems: Vec<Problem>) -> Result<Prepared, Vec<Problem>> {
    let url = match read.urls.as_slice() {
        [url] => url.clone(),
        [] => {
            problems.push(Problem::new("there is no URL", "write one, for example https://example.com/"));
            return Err(problems);
        }
        several => {
            let what = format!("there are {} URLs: {}", several.len(), several.join(" "));
            problems.push(Problem::new(what, "write one; quote it where it has a `&` or a space"));
            return Err(problems);
        }
    };
    let mut draft = Draft::new(url);
    set_body(&mut draft, &mut read, &mut problems);
    if read.head {
        draft.method = Some("HEAD".to_owned());
        read.showing.include_head = true;
    }
    draft.method = read.method.or(draft.method);
    draft.edits = read.edits;
    if read.uncompressed {
        draft.edits.retain(|edit| !matches!(edit, Edit::Set(name, _) if name.eq_ignore_ascii_case("accept-encoding")));
    }
    draft.user = read.user.as_deref().map(User::parse);
    draft.bearer = read.bearer.map(callgate_model::Secret::new);
    if read.remote_name && read.showing.output.is_none() {
        read.showing.output = remote_name(&draft.url, &mut problems);
    }
    let request = draft.finish(&mut problems);
    match request {
        Some(request) if problems.is_empty() => Ok(Prepared { request, sending: read.sending, showing: read.showing }),
        _ => Err(problems),
    }
}

fn set_body(draft: &mut Draft, read: &mut Read, problems: &mut Vec<Problem>) {
    let Some(data) = read.data.take() else { return };
    if read.get {
        match String::from_utf8(data) {
            Ok(text) => draft.query.push(crate::percent::target(&text)),
            Err(_) => problems.push(Problem::new("the data for -G is not UTF-8 text", "leave out -G to send it")),
        }
        return;
    }
    if read.head {
        problems.push(Problem::new("-I asks for a head, and -d sends a body", "keep one, or add -G"));
        return;
    }
    if read.json {
        draft.accept = JSON;
    }
    draft.content_type = Some(if read.json { JSON } else { FORM });
    draft.payload = Payload::Whole(Bytes::from(data));
}

/// `-O`: the last segment of the path. Never a path of the server's choosing: it has no `/`, and `..` is no name.
fn remote_name(url: &str, problems: &mut Vec<Problem>) -> Option<PathBuf> {
    let (url, _) = Url::parse(url).ok()?;
    match url.path().rsplit('/').next() {
        Some(name) if !matches!(name, "" | "." | "..") => Some(PathBuf::from(name)),
        _ => {
            let what = format!("-O, and the path {} ends in no name", url.path());
            problems.push(Problem::new(what, "name the file with -o"));
            None
        }
    }
}

fn seconds(known: &Known, value: &str, problems: &mut Vec<Problem>) -> Option<Duration> {
    let read = value.parse().ok().filter(|seconds: &f64| *seconds > 0.0);
    let time = read.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if time.is_none() {
        problems.push(Problem::new(format!("{} `{value}`", known.name), "write seconds, for example 2.5"));
    }
    time
}

fn unknown(name: &str) -> Problem {
    let fix = match nearest::nearest(name, options::KNOWN.iter().map(|known| known.name)) {
        Some(near) => format!("did you mean {near}?"),
        None => "see `callgate curl --help` for the options that it takes".to_owned(),
    };
    Problem::new(format!("{name} is not known here"), fix)
}

fn without_value(name: &str) -> Problem {
    Problem::new(format!("{name} stands at the end"), "write its value after it")
}
