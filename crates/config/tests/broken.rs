//! Files broken in every place: the reader answers with mistakes, whatever it is given. (It runs with debug assertions, so
//! a place outside the text, or a refusal without a reason, stops the test.)

use std::path::Path;

use callgate_config::parse;

const WHOLE: &str = concat!(include_str!("design.yaml"), "# h\u{f6}h\u{f6} \u{1f980}\r\n");

#[track_caller]
fn read(text: &str) {
    let report = match parse(text, Path::new("/nowhere"), &|_| None) {
        Ok(loaded) => loaded.report,
        Err(report) => *report,
    };
    for one in &report.diagnostics {
        assert!(report.source.get(one.range()).is_some(), "{one:?} points outside\n{text}");
        assert!(one.help.is_some(), "{one:?} says no remedy");
    }
    assert!(report.render(false).ends_with('\n'));
}

#[test]
fn cut_anywhere() {
    for (end, _) in WHOLE.char_indices() {
        read(WHOLE.get(..end).unwrap());
    }
}

#[test]
fn every_line_left_out_or_doubled() {
    let lines: Vec<&str> = WHOLE.lines().collect();
    for index in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(index);
        read(&fewer.join("\n"));
        let mut more = lines.clone();
        more.insert(index, lines[index]);
        read(&more.join("\r\n"));
    }
}

#[test]
fn every_value_replaced() {
    for (at, _) in WHOLE.match_indices(": ") {
        for value in [
            "~",
            "[]",
            "{}",
            "[[1]]",
            "{ a: b }",
            "[{ a: b, c: d }]",
            "\u{1f980}",
            "-1",
            "\"\"",
            "1e9",
            "|\n x",
            "true",
        ] {
            let (head, tail) = WHOLE.split_at(at + 2);
            // Up to the end of the value, roughly: what is left behind makes for yet another broken file.
            let end = tail.find([',', '}', '\n', '#']).unwrap_or(tail.len());
            read(&format!("{head}{value}{}", tail.get(end..).unwrap()));
        }
    }
}

#[test]
fn odd_texts() {
    for text in [
        "",
        "\0",
        "\u{feff}version: 1",
        "- 1",
        "7",
        "---",
        "...",
        "%YAML 1.2\n---\n",
        "\t",
        "{",
        "[[[[",
        "a: b: c",
        "*",
        "&a",
        "!!x",
        "\u{7f}",
    ] {
        read(text);
    }
}
