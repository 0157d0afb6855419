//! Whether bytes are JSON (RFC 8259): one pass, no tree, no recursion, no allocation.
//!
//! Strict: UTF-8 without a byte order mark, no comments, no trailing commas, no `NaN`, no leading zeros. It doesn't look
//! for names that come twice, and takes `\ud800` alone, as the grammar does.

mod literals;

use literals::{number, string, word};

/// The deepest nesting that can be asked for.
const DEPTH_CEILING: usize = 1024;

const ENDS: &str = "it ends in the middle";
const TOO_DEEP: &str = "it is nested too deeply";

/// Where it stops being JSON (a byte offset), and why.
pub type Fault = (usize, &'static str);

/// Checks a whole text. Arrays and objects may be nested `depth_max` deep (1024 at most); 0 allows scalars alone.
///
/// # Errors
/// The first byte that is wrong, and why; the length of the text if it ends too early.
pub fn well_formed(bytes: &[u8], depth_max: usize) -> Result<(), Fault> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Scanner::new(depth_max).run(bytes),
        Err(error) => {
            let valid = error.valid_up_to();
            // What is wrong before that byte comes first; that the text before it ends too early is no news.
            match Scanner::new(depth_max).run(bytes.get(..valid).unwrap_or_default()) {
                Err((at, why)) if at < valid => Err((at, why)),
                _ => Err((valid, "it is not UTF-8")),
            }
        }
    }
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// A value, or the `]` of an empty array.
    FirstValue,
    /// A name, after a comma.
    Name,
    /// A name, or the `}` of an empty object.
    FirstName,
    /// A comma, the end of what encloses, or the end of the text.
    Next,
}

struct Scanner {
    depth: usize,
    depth_max: usize,
    /// One bit a level: whether it is an object.
    objects: [u64; DEPTH_CEILING / 64],
}

// === impl Scanner ===

impl Scanner {
    fn new(depth_max: usize) -> Scanner {
        Scanner { depth: 0, depth_max: depth_max.min(DEPTH_CEILING), objects: [0; DEPTH_CEILING / 64] }
    }

    fn run(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut expect = Expect::Value;
        let mut at = skip_blanks(bytes, 0);
        loop {
            let Some(byte) = bytes.get(at) else {
                let is_whole = expect == Expect::Next && self.depth == 0;
                return if is_whole { Ok(()) } else { Err((at, ENDS)) };
            };
            (expect, at) = match (expect, byte) {
                (Expect::Next, b',') if self.depth > 0 => {
                    (if self.is_in_object() { Expect::Name } else { Expect::Value }, at + 1)
                }
                (Expect::Next | Expect::FirstName, b'}') if self.is_in_object() => self.leave(at),
                (Expect::Next | Expect::FirstValue, b']') if self.depth > 0 && !self.is_in_object() => self.leave(at),
                (Expect::Next, _) if self.depth == 0 => return Err((at, "there is more behind the value")),
                (Expect::Next, _) => return Err((at, "`,` or the end of an array or object must come here")),
                (Expect::Name | Expect::FirstName, b'"') => (Expect::Value, colon(bytes, string(bytes, at + 1)?)?),
                (Expect::Name | Expect::FirstName, _) => return Err((at, "a name in quotes must come here")),
                (Expect::Value | Expect::FirstValue, byte) => self.value(bytes, at, *byte)?,
            };
            at = skip_blanks(bytes, at);
        }
    }

    #[inline]
    fn value(&mut self, bytes: &[u8], at: usize, byte: u8) -> Result<(Expect, usize), Fault> {
        let end = match byte {
            b'"' => string(bytes, at + 1)?,
            b'{' => return self.enter(at, true).map(|()| (Expect::FirstName, at + 1)),
            b'[' => return self.enter(at, false).map(|()| (Expect::FirstValue, at + 1)),
            b'-' | b'0'..=b'9' => number(bytes, at)?,
            b't' => word(bytes, at, b"true")?,
            b'f' => word(bytes, at, b"false")?,
            b'n' => word(bytes, at, b"null")?,
            _ => return Err((at, "a value must come here")),
        };
        Ok((Expect::Next, end))
    }

    fn enter(&mut self, at: usize, is_object: bool) -> Result<(), Fault> {
        if self.depth >= self.depth_max {
            return Err((at, TOO_DEEP));
        }
        if let Some(levels) = self.objects.get_mut(self.depth / 64) {
            let bit = 1 << (self.depth % 64);
            *levels = if is_object { *levels | bit } else { *levels & !bit };
        }
        self.depth += 1;
        Ok(())
    }

    fn leave(&mut self, at: usize) -> (Expect, usize) {
        self.depth -= 1;
        (Expect::Next, at + 1)
    }

    fn is_in_object(&self) -> bool {
        let Some(level) = self.depth.checked_sub(1) else { return false };
        self.objects.get(level / 64).is_some_and(|levels| levels >> (level % 64) & 1 == 1)
    }
}

#[inline]
fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Behind the colon that follows a name.
fn colon(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    let at = skip_blanks(bytes, at);
    match bytes.get(at) {
        Some(b':') => Ok(at + 1),
        Some(_) => Err((at, "`:` must come here")),
        None => Err((at, ENDS)),
    }
}

#[cfg(test)]
mod tests;
