//! Request items, as HTTPie has them: each word after the URL says by its separator what it is.
//!
//! | item | is |
//! |---|---|
//! | `name=value` | a string of the JSON body, or a field of the form |
//! | `name:=json` | any JSON of the body: `count:=3`, `tags:=["a"]` |
//! | `name=@file`, `name:=@file` | the same, from a file |
//! | `name==value` | a query parameter |
//! | `Name:value` | a header field; `Name:` leaves a default out, `Name;` sends it empty |
//! | `@file` | the file is the body; `@-` is standard input |
//!
//! A backslash before a separator makes it a letter of the name: `a\=b=c` is the string `a=b` with value `c`.

use crate::problem::Problem;

/// One item, read but without the content of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// `name=value`, `name=@file`.
    Text {
        /// The member's or form field's name.
        name: String,
        /// Its text.
        value: Text,
    },
    /// `name:=json`, `name:=@file`.
    Json {
        /// The member's name.
        name: String,
        /// JSON, kept as it was written: `1.10` stays `1.10`.
        value: Text,
    },
    /// `name==value`.
    Query {
        /// Before the separator.
        name: String,
        /// After it.
        value: String,
    },
    /// `Name:value`, `Name:`, `Name;`.
    Header(Edit),
    /// `@file`.
    Body {
        /// The file; `-` is standard input.
        path: String,
    },
}

/// Text that stands in the item or in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// In the item.
    Here(String),
    /// In this file.
    File(String),
}

/// A change to the header fields that a request has by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Sends the field; the default of that name goes.
    Set(String, String),
    /// Leaves the default out.
    Remove(String),
}

/// Longest first where one begins with another: the item is cut at the first place where one of them stands.
const SEPARATORS: &[&str] = &[":=@", ":=", "=@", "==", "=", ":", "@", ";"];

// === impl Item ===

impl Item {
    /// Reads one item.
    pub fn parse(typed: &str) -> Result<Item, Problem> {
        let Some((name, separator, value)) = cut(typed) else {
            let fix = "write name=value, name:=json, name==value, Name:value or @file";
            return Err(Problem::new(format!("`{typed}` has no separator"), fix));
        };
        if name.is_empty() && separator != "@" {
            let fix = format!("write a name before `{separator}`");
            return Err(Problem::new(format!("`{typed}` has no name"), fix));
        }
        let value = value.to_owned();
        match separator {
            "=" => Ok(Item::Text { name: flat(&name, typed)?, value: Text::Here(value) }),
            "=@" => Ok(Item::Text { name: flat(&name, typed)?, value: Text::File(value) }),
            ":=" => Ok(Item::Json { name: flat(&name, typed)?, value: Text::Here(value) }),
            ":=@" => Ok(Item::Json { name: flat(&name, typed)?, value: Text::File(value) }),
            "==" => Ok(Item::Query { name: plain(&name), value }),
            "@" if name.is_empty() => Ok(Item::Body { path: value }),
            "@" => Err(Problem::new(
                format!("`{typed}` would send a file as a part of a form, which is not there yet"),
                format!("`@{value}` sends it as the body, `{}=@{value}` puts its text into a member", plain(&name)),
            )),
            _ => Edit::parse(&format!("{}{separator}{value}", plain(&name))).map(Item::Header),
        }
    }
}

// === impl Edit ===

impl Edit {
    /// `Name: value`, `Name:` or `Name;`, as items and curl's `-H` both write it.
    pub fn parse(typed: &str) -> Result<Edit, Problem> {
        let at = typed.find([':', ';']).unwrap_or(typed.len());
        let (name, rest) = typed.split_at(at);
        let (name, owned) = (name.trim(), name.trim().to_owned());
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            let fix = "a header field is `Name: value`, its name of letters, digits and `-`";
            return Err(Problem::new(format!("`{typed}` is no header field"), fix));
        }
        match (rest.get(..1), rest.get(1..).unwrap_or("").trim()) {
            (Some(":"), "") => Ok(Edit::Remove(owned)),
            (Some(":"), value) => Ok(Edit::Set(owned, value.to_owned())),
            (Some(";"), "") => Ok(Edit::Set(owned, String::new())),
            _ => {
                let fix = format!("`{name}: value` sends it, `{name};` sends it empty, `{name}:` leaves a default out");
                Err(Problem::new(format!("`{typed}` has no value"), fix))
            }
        }
    }
}

/// A letter of a name, and whether a backslash stood before it.
type Letter = (char, bool);

/// Cuts an item at its first separator that no backslash precedes.
fn cut(typed: &str) -> Option<(Vec<Letter>, &'static str, &str)> {
    let mut name = Vec::new();
    let mut rest = typed;
    loop {
        if let Some((separator, value)) =
            SEPARATORS.iter().find_map(|separator| Some((*separator, rest.strip_prefix(separator)?)))
        {
            return Some((name, separator, value));
        }
        let mut letters = rest.chars();
        let letter = letters.next()?;
        rest = letters.as_str();
        let escaped = rest.chars().next().filter(|next| letter == '\\' && ":=@;[]\\".contains(*next));
        match escaped {
            Some(next) => {
                name.push((next, true));
                rest = letters.next().map_or("", |_| letters.as_str());
            }
            None => name.push((letter, false)),
        }
    }
}

fn plain(name: &[Letter]) -> String {
    name.iter().map(|(letter, _)| *letter).collect()
}

/// The name of a member. HTTPie reads `a[b]` as a member of a member; to send a member of that very name would be a
/// silent surprise, so it has to be escaped.
fn flat(name: &[Letter], typed: &str) -> Result<String, Problem> {
    if name.contains(&('[', false)) {
        let outer: String = name.iter().map(|(letter, _)| *letter).take_while(|letter| *letter != '[').collect();
        return Err(Problem::new(
            format!("`{typed}` has a nested name, which is not there yet"),
            format!("write `{outer}:={{…}}`, or `\\[` for a bracket that belongs to the name"),
        ));
    }
    Ok(plain(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, expect: &str) {
        let shown = match Item::parse(typed) {
            Ok(Item::Text { name, value }) => format!("text {name} {value:?}"),
            Ok(Item::Json { name, value }) => format!("json {name} {value:?}"),
            Ok(Item::Query { name, value }) => format!("query {name} {value:?}"),
            Ok(Item::Header(Edit::Set(name, value))) => format!("header {name} {value:?}"),
            Ok(Item::Header(Edit::Remove(name))) => format!("header {name} removed"),
            Ok(Item::Body { path }) => format!("body {path}"),
            Err(problem) => problem.to_string(),
        };
        assert_eq!(shown, expect, "{typed}");
    }

    #[test]
    fn the_first_separator_decides() {
        check("a=b", r#"text a Here("b")"#);
        check("a=", r#"text a Here("")"#);
        check("a=b:c=d@e", r#"text a Here("b:c=d@e")"#);
        check("a=@f.txt", r#"text a File("f.txt")"#);
        check("a:=1.10", r#"json a Here("1.10")"#);
        check("a:=@f.json", r#"json a File("f.json")"#);
        check("a==b=c", r#"query a "b=c""#);
        check("X-A:b:c", r#"header X-A "b:c""#);
        check("X-A: b ", r#"header X-A "b""#);
        check("X-A:", "header X-A removed");
        check("X-A;", r#"header X-A """#);
        check("@f", "body f");
        check("@-", "body -");
    }

    #[test]
    fn a_backslash_takes_a_separator_into_the_name() {
        check(r"a\=b=c", r#"text a=b Here("c")"#);
        check(r"a\:b=c", r#"text a:b Here("c")"#);
        check(r"a\\=c", r#"text a\ Here("c")"#);
        check(r"a\b=c", r#"text a\b Here("c")"#);
        check(r"a\[b\]=c", r#"text a[b] Here("c")"#);
        check(r"a\@b=c\d", r#"text a@b Here("c\\d")"#);
        check(r"é\=è==ü", r#"query é=è "ü""#);
    }

    #[test]
    fn what_is_no_item_is_said() {
        check("a", "`a` has no separator: write name=value, name:=json, name==value, Name:value or @file");
        check("=b", "`=b` has no name: write a name before `=`");
        check(
            "a@f",
            "`a@f` would send a file as a part of a form, which is not there yet: `@f` sends it as the body, `a=@f` puts its text into a member",
        );
        check(
            "a[b]=1",
            r"`a[b]=1` has a nested name, which is not there yet: write `a:={…}`, or `\[` for a bracket that belongs to the name",
        );
        check(
            "a b:c",
            "`a b:c` is no header field: a header field is `Name: value`, its name of letters, digits and `-`",
        );
        check("a;b", "`a;b` has no value: `a: value` sends it, `a;` sends it empty, `a:` leaves a default out");
    }
}
