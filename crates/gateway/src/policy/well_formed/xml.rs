//! XML 1.0 as every parser reads it: UTF-8, no document type, and the rules of well-formedness that the reader itself does
//! not hold a document to.

use callgate_model::bounds;
use quick_xml::Reader;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

/// Names that need no document type.
const ENTITIES: [&str; 5] = ["amp", "lt", "gt", "quot", "apos"];

/// Where in the document the walk is.
#[derive(Debug, Default)]
struct Walk {
    depth: usize,
    roots: usize,
}

/// Judges a whole document.
///
/// # Errors
/// The byte at which it stops being well-formed, and why.
pub(super) fn well_formed(body: &[u8]) -> Result<(), (usize, String)> {
    let text = std::str::from_utf8(body)
        .map_err(|error| (error.valid_up_to(), "a byte that is not UTF-8; other encodings are not taken".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some((at, character)) = text.char_indices().find(|(_, character)| !is_char(*character)) {
        return Err((at, format!("the character U+{:04X}, which XML does not have", u32::from(character))));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    reader.config_mut().check_comments = true;
    let mut walk = Walk::default();
    loop {
        let before = reader.buffer_position();
        let event = reader.read_event().map_err(|error| (place(reader.error_position()), error.to_string()))?;
        let ended = matches!(event, Event::Eof);
        walk.take(event, before == 0, text).map_err(|why| (place(reader.buffer_position()), why))?;
        if ended {
            return Ok(());
        }
    }
}

fn place(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

// === impl Walk ===

impl Walk {
    fn take(&mut self, event: Event<'_>, first: bool, text: &str) -> Result<(), String> {
        match event {
            Event::Start(start) => {
                self.open(&start)?;
                self.depth += 1;
                if self.depth > bounds::BODY_DEPTH_MAX {
                    return Err(format!("more than {} levels", bounds::BODY_DEPTH_MAX));
                }
            }
            Event::Empty(start) => self.open(&start)?,
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::DocType(_) => return Err("a document type is not taken".to_owned()),
            Event::Decl(decl) if first => declared(&decl, text)?,
            Event::Decl(_) => return Err("an XML declaration that is not at the beginning".to_owned()),
            Event::PI(instruction) if !is_name(instruction.target()) => {
                return Err("an instruction without a name".to_owned());
            }
            Event::PI(instruction) if instruction.target().eq_ignore_ascii_case("xml") => {
                return Err("an XML declaration that is not at the beginning".to_owned());
            }
            Event::Text(text) if self.depth == 0 && !text.trim_ascii().is_empty() => {
                return Err("text outside the root element".to_owned());
            }
            Event::Text(text) if text.contains("]]>") => return Err("`]]>` in a text".to_owned()),
            Event::CData(_) | Event::GeneralRef(_) if self.depth == 0 => {
                return Err("text outside the root element".to_owned());
            }
            Event::GeneralRef(reference) => referred(&reference)?,
            Event::Eof if self.depth > 0 => return Err("an element is not closed".to_owned()),
            Event::Eof if self.roots != 1 => return Err(format!("{} root elements where one is needed", self.roots)),
            Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::PI(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.depth == 0 {
            self.roots += 1;
        }
        if !is_name(start.name().as_ref()) {
            return Err("an element whose name is none".to_owned());
        }
        attributes(start)
    }
}

fn attributes(start: &BytesStart<'_>) -> Result<(), String> {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        if !is_name(attribute.key.0) {
            return Err("an attribute whose name is none".to_owned());
        }
        value(&attribute.value)?;
    }
    Ok(())
}

fn value(value: &str) -> Result<(), String> {
    if value.contains('<') {
        return Err("a `<` in an attribute".to_owned());
    }
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('&') {
        let (name, after) = after.split_once(';').ok_or("a `&` that begins no reference")?;
        referred(&BytesRef::new(name))?;
        rest = after;
    }
    Ok(())
}

/// `&lt;` and its like, and characters by number. Any other name needs a document type.
fn referred(reference: &BytesRef<'_>) -> Result<(), String> {
    let fits = match reference.resolve_char_ref() {
        Ok(Some(character)) => is_char(character),
        Ok(None) => ENTITIES.contains(&&**reference),
        Err(_) => false,
    };
    if fits { Ok(()) } else { Err("a reference that names no character".to_owned()) }
}

/// A body that says that it is in another encoding is read differently by those who believe it.
fn declared(decl: &BytesDecl<'_>, text: &str) -> Result<(), String> {
    decl.version().map_err(|error| error.to_string())?;
    let Some(encoding) = decl.encoding() else { return Ok(()) };
    let encoding = encoding.map_err(|error| error.to_string())?.to_ascii_lowercase();
    let same_in_ascii = encoding.starts_with("iso-8859-") || encoding.starts_with("windows-125");
    match encoding.as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" => Ok(()),
        _ if same_in_ascii && text.is_ascii() => Ok(()),
        _ => Err("an encoding other than UTF-8 is declared".to_owned()),
    }
}

/// XML 1.0 section 2.2.
fn is_char(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// XML 1.0 section 2.3, without telling letters from other characters above ASCII.
fn is_name(name: &str) -> bool {
    let begins = |first: char| first.is_ascii_alphabetic() || matches!(first, '_' | ':') || !first.is_ascii();
    let goes_on = |next: char| begins(next) || next.is_ascii_digit() || matches!(next, '-' | '.');
    name.starts_with(begins) && name.chars().all(goes_on)
}

#[cfg(test)]
mod tests {
    use super::well_formed;

    fn check(body: &str, fits: bool) {
        assert_eq!(well_formed(body.as_bytes()).is_ok(), fits, "{body}: {:?}", well_formed(body.as_bytes()));
    }

    #[test]
    fn documents_that_every_parser_takes() {
        for body in [
            "<a/>",
            "\u{feff}<a/>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><?go on?><a b='1' c=\"&lt;&#x20AC;&#8364;\"><c/>t &amp; <![CDATA[<&]]></a>\n",
            "<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
            "<soap:Envelope xmlns:soap=\"u\"><soap:Body>ü</soap:Body></soap:Envelope>",
        ] {
            check(body, true);
        }
    }

    #[test]
    fn documents_that_some_parser_refuses() {
        for body in [
            "",
            "a",
            "<a",
            "<a>",
            "<a></b>",
            "<a><b></a></b>",
            "<a/><b/>",
            "<a/>text",
            "<a/>&amp;",
            "<a/><![CDATA[x]]>",
            "<![CDATA[x]]><a/>",
            " <?xml version=\"1.0\"?><a/>",
            "<a><?xml version=\"1.0\"?></a>",
            "<a/><?XML x?>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
            "<a>&x;</a>",
            "<a>&</a>",
            "<a>&#0;</a>",
            "<a>&#xD800;</a>",
            "<a b='&x;'/>",
            "<a b='&'/>",
            "<a b='<'/>",
            "<a b=1/>",
            "<a b/>",
            "<a b='1' b='2'/>",
            "<a 1='1'/>",
            "<1/>",
            "< a/>",
            "<a>]]></a>",
            "<a><!-- -- --></a>",
            "<a>\u{0}</a>",
            "<a>\u{1b}</a>",
            "<a>\u{ffff}</a>",
            "<?xml version=\"1.0\" encoding=\"UTF-7\"?><a>+ADw-b/+AD4-</a>",
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>ü</a>",
            &"<a>".repeat(200),
        ] {
            check(body, false);
        }
        assert!(well_formed(b"<a>\xff</a>").is_err());
        assert!(well_formed("<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice()).is_err());
    }

    #[test]
    fn a_tag_with_very_many_attributes_takes_no_minutes() {
        let many: String = (0..20_000).map(|number| format!(" a{number}=''")).collect();
        check(&format!("<a{many}/>"), true);
        check(&format!("<a{many} a7=''/>"), false);
    }
}
