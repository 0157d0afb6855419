//! Text from outside, as HTML.

use std::borrow::Cow;

/// Text between tags or in a quoted attribute.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut html = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(letter),
        }
    }
    Cow::Owned(html)
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn nothing_from_outside_is_markup() {
        assert_eq!(text("a<b>\"c\"&'d'"), "a&lt;b&gt;&quot;c&quot;&amp;&#39;d&#39;");
        assert_eq!(text("plain"), "plain");
    }
}
