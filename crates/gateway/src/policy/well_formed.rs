//! A JSON or XML body must be what its content type says, where `well_formed: true`.
//!
//! Two parsers that read one broken body differently are how a check is bypassed; the gate lets only bodies through that
//! every parser reads alike in form. DTDs are refused in XML: they are how entities expand and files leak.

mod xml;

use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal, bounds};
use callgate_wire::media::MediaType;

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
            Form::Xml => ("XML", xml::well_formed(body)),
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
