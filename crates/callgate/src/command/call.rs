//! `callgate get|post|put|patch|delete|head|options URL [ITEM…]` and `callgate call [METHOD] URL [ITEM…]`.

mod options;
mod piped;

use std::io;
use std::process::ExitCode;

use callgate_calling::{Arguments, Exit, LastFailure, Payload, Prepared, Problem, Streams};
use callgate_model::Clock;
use clap::Args;

use options::Options;

/// The methods that `call` takes in small letters too. Every other one is written as it is sent, in capitals.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

const AFTER_HELP: &str = "\
ITEMs say by their separator what they are:
  name=value   a string of the JSON body, or a field of the form
  name:=json   other JSON of the body: count:=3  tags:='[\"a\"]'
  name=@FILE   the same from a file, as text; name:=@FILE as JSON
  name==value  a parameter of the query
  Name:value   a header field; `Name:` leaves a default out
  @FILE        the file is the body; @- is standard input
A backslash makes a separator a letter of the name: a\\=b=c

A body that comes in by a pipe is sent where nothing else gives one, but not by
get, head, delete and options: write @- for those.

A URL without a scheme is https://, or http:// where it is this machine:
:8080/x is http://localhost:8080/x

Exit codes: 0 an answer below 400 · 4 an answer of 4xx · 5 an answer of 5xx
            6 no answer · 7 timed out · 1, 2 a mistake on the command line";

/// Make a call with the method in the verb
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Verb {
    /// Where to
    url: String,
    /// What to send: name=value, name:=json, name==value, Name:value, @FILE
    #[arg(value_name = "ITEM")]
    items: Vec<String>,
    #[command(flatten)]
    options: Options,
}

/// Make a call with any method
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, override_usage = "callgate call [OPTIONS] [METHOD] URL [ITEM]...")]
pub struct Call {
    /// The method (GET unless written, or POST with a body), the URL, and what to send
    #[arg(value_name = "WORD", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    options: Options,
}

// === impl Verb ===

impl Verb {
    /// Makes the call.
    pub async fn run(self, method: &str) -> ExitCode {
        perform(self.options, Some(method.to_owned()), self.url, self.items).await
    }
}

// === impl Call ===

impl Call {
    /// Makes the call.
    pub async fn run(self) -> ExitCode {
        let (method, mut words) = split(self.words);
        let url = if words.is_empty() { String::new() } else { words.remove(0) };
        perform(self.options, method, url, words).await
    }
}

/// The method and the rest. A first word is a method only where a second can be the URL, and no URL looks like one:
/// `PURGE :8080/x`, `get :8080/x`, but `localhost a=b`.
fn split(mut words: Vec<String>) -> (Option<String>, Vec<String>) {
    let [first, _, ..] = words.as_slice() else { return (None, words) };
    let capitals = first.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let method = match METHODS.into_iter().find(|method| first.eq_ignore_ascii_case(method)) {
        Some(method) => method.to_owned(),
        None if capitals => first.clone(),
        None => return (None, words),
    };
    words.remove(0);
    (Some(method), words)
}

async fn perform(options: Options, method: Option<String>, url: String, items: Vec<String>) -> ExitCode {
    let ignore_stdin = options.ignore_stdin;
    let mut problems = Vec::new();
    let arguments = options.arguments(method, url, items, &mut problems);
    // Mistakes are found before standard input is waited for.
    let mut prepared = arguments.clone().prepare();
    if !ignore_stdin && problems.is_empty() && prepared.as_ref().is_ok_and(|prepared| lacks_body(&arguments, prepared))
    {
        match piped::body() {
            Ok(None) => {}
            Ok(Some(body)) => prepared = Arguments { stdin: Some(body.into()), ..arguments }.prepare(),
            Err(problem) => problems.push(problem),
        }
    }
    match prepared {
        Ok(prepared) if problems.is_empty() => make(prepared).await,
        Ok(_) => tell(&problems),
        Err(found) => {
            problems.extend(found);
            tell(&problems)
        }
    }
}

/// Whether a body may come from standard input. Only for methods that usually have one: `while read id; do callgate get
/// …; done < ids` must not have the rest of its list eaten by the first call.
fn lacks_body(arguments: &Arguments, prepared: &Prepared) -> bool {
    let none_given = match &prepared.request.payload {
        Payload::Nothing => true,
        Payload::Whole(bytes) => bytes.is_empty() && arguments.data.is_empty(),
        Payload::File { .. } => false,
    };
    none_given && !matches!(arguments.method.as_deref(), Some("GET" | "HEAD" | "DELETE" | "OPTIONS"))
}

/// Sends and shows a call; what failed is remembered for `explain --last`.
pub(super) async fn make(mut prepared: Prepared) -> ExitCode {
    prepared.showing.adapt_to_terminal();
    let mut streams = Streams { out: &mut io::stdout(), notes: &mut io::stderr() };
    let last = LastFailure::path();
    let exit = callgate_calling::make(&prepared, last.as_deref(), &Clock::system(), &mut streams).await;
    ExitCode::from(exit.code())
}

/// Says every mistake of a command line.
pub(super) fn tell(problems: &[Problem]) -> ExitCode {
    match problems {
        [problem] => anstream::eprintln!("callgate: {problem}"),
        several => {
            anstream::eprintln!("callgate: {} mistakes keep this call from being made:", several.len());
            for problem in several {
                anstream::eprintln!("  {problem}");
            }
        }
    }
    ExitCode::from(Exit::Usage.code())
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_first_word_is_a_method_only_where_it_can_be_nothing_else() {
        let check = |line: &str, expect: (Option<&str>, &str)| {
            let (method, rest) = split(line.split(' ').map(str::to_owned).collect());
            assert_eq!((method.as_deref(), rest.join(" ").as_str()), expect, "{line}");
        };
        check("PURGE :8080/x a=b", (Some("PURGE"), ":8080/x a=b"));
        check("M-SEARCH :1900/", (Some("M-SEARCH"), ":1900/"));
        check("get :8080/x", (Some("GET"), ":8080/x"));
        check("localhost a=b", (None, "localhost a=b"));
        check(":8080/x a=b", (None, ":8080/x a=b"));
        check("PURGE", (None, "PURGE"));
        check("example.com q==1", (None, "example.com q==1"));
    }
}
