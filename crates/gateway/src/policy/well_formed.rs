//! A JSON or XML body must be what its content type says, where `well_formed: true`.
//!
//! Two parsers that read one broken body differently are how a check is bypassed; the gate lets only bodies through that
//! every parser reads alike in form. DTDs are refused in XML: they are how entities expand and files leak.

use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal, bounds};
use callgate_wire::media::MediaType;
use quick_xml::Reader;
use quick_xml::events::Event;

/// What a content type promises, as far as this policy knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `application/json`, `…+json`
    Json,
    /// `application/xml`, `text/xml`, `…+xml`
    Xml,
}

// === impl Form ===

impl Form {
    /// The form that a content type promises; none where this policy has nothing to say.
    #[must_use]
    pub fn of(content_type: &MediaType<'_>) -> Option<Form> {
        match content_type {
            json if json.is_json() => Some(Form::Json),
            xml if xml.is_xml() => Some(Form::Xml),
            _ => None,
        }
    }

    /// Judges a whole body.
    ///
    /// # Errors
    /// `body_malformed`, with the byte at which it stops being well-formed.
    pub fn check(self, body: &[u8]) -> Result<(), Refused> {
        let (name, fault) = match self {
            Form::Json => ("JSON", json(body)),
            Form::Xml => ("XML", xml(body)),
        };
        fault.map_err(|(byte, why)| {
            Refusal::new(Code::BodyMalformed, format!("The body is not well-formed {name}: {why}, at byte {byte}."))
                .rule("well_formed")
        })
    }
}

/// The refusal of a body whose type cannot be read, or is told twice: readers would disagree about its form.
#[must_use]
pub fn untold() -> Refused {
    let detail = "The body's Content-Type is not one readable type, so its form can't be judged.";
    Refusal::new(Code::BodyMalformed, detail).rule("well_formed")
}

fn json(body: &[u8]) -> Result<(), (usize, String)> {
    callgate_wire::json::well_formed(body, bounds::BODY_DEPTH_MAX).map_err(|(byte, why)| (byte, why.to_owned()))
}

fn xml(body: &[u8]) -> Result<(), (usize, String)> {
    let mut reader = Reader::from_reader(body);
    reader.config_mut().check_end_names = true;
    reader.config_mut().check_comments = true;
    let (mut depth, mut roots) = (0_usize, 0_usize);
    loop {
        let at = |reader: &Reader<&[u8]>| usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                if depth == 0 {
                    roots += 1;
                }
                depth += 1;
                if depth > bounds::BODY_DEPTH_MAX {
                    return Err((at(&reader), format!("more than {} levels", bounds::BODY_DEPTH_MAX)));
                }
                attributes(&start).map_err(|why| (at(&reader), why))?;
            }
            Ok(Event::Empty(start)) => {
                if depth == 0 {
                    roots += 1;
                }
                attributes(&start).map_err(|why| (at(&reader), why))?;
            }
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::DocType(_)) => return Err((at(&reader), "a document type is not taken".to_owned())),
            Ok(Event::Text(text)) if depth == 0 && !text.as_ref().trim_ascii().is_empty() => {
                return Err((at(&reader), "text outside the root element".to_owned()));
            }
            Ok(Event::GeneralRef(_)) if depth == 0 => {
                return Err((at(&reader), "a reference outside the root element".to_owned()));
            }
            Ok(Event::Eof) if depth == 0 && roots == 1 => return Ok(()),
            Ok(Event::Eof) if depth > 0 => return Err((at(&reader), "an element is not closed".to_owned())),
            Ok(Event::Eof) => return Err((at(&reader), format!("{roots} root elements where one is needed"))),
            Ok(_) => {}
            Err(error) => return Err((usize::try_from(reader.error_position()).unwrap_or(0), error.to_string())),
        }
    }
}

fn attributes(start: &quick_xml::events::BytesStart<'_>) -> Result<(), String> {
    start.attributes().try_for_each(|attribute| attribute.map(drop).map_err(|error| error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: Form, body: &str, well_formed: bool) {
        assert_eq!(form.check(body.as_bytes()).is_ok(), well_formed, "{body}");
    }

    #[test]
    fn json_and_xml() {
        check(Form::Json, r#"{"a": [1, 2.5e3, "ü", null]}"#, true);
        check(Form::Json, r#"{"a": 1,}"#, false);
        check(Form::Json, "", false);
        check(Form::Json, &"[".repeat(200), false);
        check(Form::Xml, "<?xml version=\"1.0\"?><a b='1'><c/>text</a>", true);
        check(Form::Xml, "<a><b></a></b>", false);
        check(Form::Xml, "<a b='1' b='2'/>", false);
        check(Form::Xml, "<a/><b/>", false);
        check(Form::Xml, "", false);
        check(Form::Xml, "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", false);
        check(Form::Xml, &"<a>".repeat(200), false);
    }

    #[test]
    fn the_form_follows_the_type() {
        let of = |text| Form::of(&MediaType::parse(text).unwrap());
        assert_eq!(of("Application/JSON; charset=utf-8"), Some(Form::Json));
        assert_eq!(of("application/problem+json"), Some(Form::Json));
        assert_eq!(of("text/xml"), Some(Form::Xml));
        assert_eq!(of("text/plain"), None);
    }
}
