//! JSON objects of which two programs can't read two things: no member may come twice, at any depth.
//!
//! RFC 8259 leaves open which of two equal names counts (section 4), and libraries differ; what was judged here must not be
//! something else for whoever reads the same token next (RFC 7519 section 4 lets one refuse it, RFC 8725 section 2.4 says why).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The members of a JSON object.
///
/// # Errors
/// What is wrong with it, as the end of a sentence about it.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, &'static str> {
    // The library refuses more than 128 levels, invalid UTF-8 and anything behind the value.
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut reader).map_err(|_| "is not JSON, or names a member twice")?;
    reader.end().map_err(|_| "has something behind its end")?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err("is not a JSON object"),
    }
}

/// Reads a value, and refuses names that come twice.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON without names that come twice")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Strict)?;
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a name comes twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_once() {
        let check = |text: &str, good: bool| assert_eq!(object(text.as_bytes()).is_ok(), good, "{text}");
        check(r#"{"a":1,"b":[{"c":null},{"c":1.5}],"d":{"a":"x"}}"#, true);
        check(r#"{"a":1,"a":1}"#, false);
        check(r#"{"a":1,"\u0061":2}"#, false);
        check(r#"{"b":{"a":1,"a":2}}"#, false);
        check(r#"{"b":[[{"a":1,"a":2}]]}"#, false);
        check(r#"{"a":1} {"a":2}"#, false);
        check(r#"["a"]"#, false);
        check("", false);
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
        assert!(object(format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200)).as_bytes()).is_err(), "too deep");
    }
}
