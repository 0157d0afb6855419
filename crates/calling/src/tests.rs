//! The client as its users meet it: words in, a request on the wire, an answer on the screen.

mod curl;
mod sending;
mod server;
mod showing;
mod tls;
mod words;

use crate::{Arguments, Payload, Prepared, Problem};

/// The request as text, with the URL whole and this client's name without its version.
fn request_text(prepared: Result<Prepared, Vec<Problem>>) -> String {
    let request = match prepared {
        Ok(prepared) => prepared.request,
        Err(problems) => return problems.iter().map(|problem| format!("! {problem}\n")).collect(),
    };
    let head = request.head_text(true).replace(env!("CARGO_PKG_VERSION"), "N");
    let head = head.replacen(&request.url.target, &request.url.to_string(), 1);
    match request.payload {
        Payload::Nothing => head,
        Payload::Whole(bytes) => format!("{head}\n{}\n", String::from_utf8_lossy(&bytes)),
        Payload::File { length, .. } => format!("{head}\n({length} bytes of a file)\n"),
    }
}

/// A verb, the URL and its items, as the binary delivers them.
fn verb(method: &str, words: &[&str]) -> Arguments {
    let (url, items) = words.split_first().unwrap();
    Arguments {
        method: Some(method.to_owned()).filter(|method| method != "CALL"),
        url: (*url).to_owned(),
        items: items.iter().map(|item| (*item).to_owned()).collect(),
        ..Arguments::default()
    }
}

/// A command line of curl's.
fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_owned()).collect()
}
