//! Content types: of request bodies (`accepts`), and of responses (`produces`).

use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};
use callgate_wire::media::{self, Accept, ContentType, MediaType, Pattern};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The types of one list, compiled, and the list as it is told to callers in `Accept`.
#[derive(Debug)]
pub struct TypeList {
    patterns: Vec<Pattern>,
    text: String,
    place: String,
}

// === impl TypeList ===

impl TypeList {
    /// Compiles a list whose patterns the configuration has already checked; one that is not a pattern is left out.
    #[must_use]
    pub fn compile(patterns: &[String], place: String) -> TypeList {
        let text = patterns.join(", ");
        let patterns = patterns.iter().filter_map(|pattern| Pattern::parse(pattern).ok()).collect();
        TypeList { patterns, text, place }
    }

    /// Judges the type of a request body. A body without a type is refused: the gate does not guess (RFC 9110 section 8.3
    /// allows guessing, and guessing differently from the upstream is how filters are bypassed).
    ///
    /// # Errors
    /// `unsupported_content_type`, with the taken types in `Accept` (RFC 9110 section 15.5.16).
    pub fn check_request(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let saw = match media::content_type(headers) {
            ContentType::One(media) if self.takes(&media) => return Ok(()),
            ContentType::One(media) => {
                let text = format!("{}/{}", media.main, media.sub);
                format!("`{}`", callgate_model::record::bounded(&text))
            }
            ContentType::Missing => "missing".to_owned(),
            _ => "not one readable type".to_owned(),
        };
        let detail = format!("The body's Content-Type is {saw}; `accepts` takes {}.", self.text);
        Err(Refusal::new(Code::UnsupportedContentType, detail)
            .rule(self.place.clone())
            .gate_side(format!("Content-Type {saw}, accepts: {}", self.text))
            .field("accept", self.text.clone()))
    }

    /// Judges what the caller wants to hear (`Accept`) against what is made here.
    ///
    /// # Errors
    /// `not_acceptable`.
    pub fn check_accept(&self, headers: &HeaderMap) -> Result<(), Refused> {
        if Accept::of(headers).allows_any(&self.patterns) {
            return Ok(());
        }
        let detail = format!("`produces` makes {}, and the call's Accept field takes none of these.", self.text);
        Err(Refusal::new(Code::NotAcceptable, detail).rule(self.place.clone()))
    }

    /// Judges the type of a response. Problem documents are always allowed: errors must be tellable.
    ///
    /// # Errors
    /// `response_violated`.
    pub fn check_response(&self, headers: &HeaderMap, status: u16) -> Result<(), Refused> {
        if let ContentType::One(media) = media::content_type(headers)
            && (self.takes(&media) || media.is("application", "problem+json") || media.is("application", "problem+xml"))
        {
            return Ok(());
        }
        let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let saw =
            text.map_or_else(|| "no type".to_owned(), |text| format!("`{}`", callgate_model::record::bounded(text)));
        Err(Refusal::new(
            Code::ResponseViolated,
            "The API's server answered with a type that `produces` does not list.",
        )
        .rule(self.place.clone())
        .gate_side(format!("the upstream answered {status} with {saw}; produces: {}", self.text))
        .field("callgate-upstream-status", status.to_string()))
    }

    fn takes(&self, media: &MediaType<'_>) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(media))
    }
}
