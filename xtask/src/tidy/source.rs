//! Rust source taken apart just enough to tell code from comments and from literals. Not a
//! parser: it must only never take a word in a string for code.

/// A source file twice, each time with everything else blanked, lines kept.
#[derive(Debug, Default)]
pub(super) struct Masked {
    /// The code without comments and without what is in literals.
    pub(super) code: String,
    /// The comments alone.
    pub(super) comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Takes `text` apart.
pub(super) fn mask(text: &str) -> Masked {
    let mut masked = Masked::default();
    let mut rest = text;
    while !rest.is_empty() {
        let (kind, length) = token(rest);
        let (token, after) = rest.split_at(length);
        push(&mut masked.code, token, kind == Kind::Code);
        push(&mut masked.comments, token, kind == Kind::Comment);
        rest = after;
    }
    masked
}

/// Returns the line, counted from 1, of the byte at `offset`.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Whether `character` may be part of a name.
pub(super) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn push(out: &mut String, token: &str, shown: bool) {
    if shown {
        out.push_str(token);
    } else {
        out.extend(token.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
    }
}

/// The kind and the length in bytes of what `rest` begins with.
fn token(rest: &str) -> (Kind, usize) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment(rest));
    }
    if let Some(length) = raw_string(rest) {
        return (Kind::Literal, length);
    }
    let Some(first) = rest.chars().next() else { return (Kind::Code, 0) };
    match first {
        '"' => (Kind::Literal, quoted(rest, '"')),
        '\'' => match character_literal(rest) {
            Some(length) => (Kind::Literal, length),
            None => (Kind::Code, 1),
        },
        _ if is_word(first) => {
            // Whole words, so that the `r` of `for` begins no raw string. A prefix of a string
            // is a word of its own.
            (Kind::Code, rest.find(|character: char| !is_word(character)).unwrap_or(rest.len()))
        }
        _ => (Kind::Code, first.len_utf8()),
    }
}

/// The length of a comment that may hold others.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if tail.starts_with("*/") {
            (depth, at) = (depth.saturating_sub(1), at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of `r"…"`, `br#"…"#` and their like; `None` where `rest` begins with none.
fn raw_string(rest: &str) -> Option<usize> {
    let after_r = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let opened = after_r.trim_start_matches('#');
    let hashes = after_r.len() - opened.len();
    let body = opened.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(rest.len() - body.len() + length)
}

/// The length of a literal that ends with `end`, a backslash taking the next character with it.
fn quoted(rest: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == end {
            return at + end.len_utf8();
        }
    }
    rest.len()
}

/// The length of a character in quotes; `None` for a lifetime.
fn character_literal(rest: &str) -> Option<usize> {
    let mut characters = rest.chars().skip(1);
    let (first, second) = (characters.next()?, characters.next()?);
    (first == '\\' || second == '\'').then(|| quoted(rest, '\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_comments_and_literals_are_told_apart() {
        let cases = [
            ("a // b", "a     ", "  // b"),
            ("a /* b /* c */ d */ e", "a                   e", "  /* b /* c */ d */  "),
            (r#"f("x // \" y") // z"#, "f(           )     ", "               // z"),
            (r###"r#"a "b" c"# d"###, "             d", "              "),
            ("'\"' + '\\'' + 'a: b", "    +      + 'a: b", "                  "),
            ("for \"x\"", "for    ", "       "),
            ("br\"x\" b\"y\"", "      b   ", "          "),
            ("r#type", "r#type", "      "),
        ];
        for (text, code, comments) in cases {
            let masked = mask(text);
            assert_eq!(
                (masked.code.as_str(), masked.comments.as_str()),
                (code, comments),
                "{text}"
            );
        }
    }

    #[test]
    fn lines_stay_where_they_are() {
        let text = "a\n\"b\nc\"\n/* d\n */ e";
        let masked = mask(text);
        assert_eq!(masked.code.lines().count(), 5);
        assert_eq!(masked.comments.lines().count(), 5);
        assert_eq!(line_of(text, text.find('e').unwrap()), 5);
    }

    #[test]
    fn what_is_cut_short_ends_with_the_text() {
        for text in ["\"abc", "/* abc", "r#\"abc\"", "'", "'\\"] {
            assert_eq!(mask(text).code.len(), text.len(), "{text}");
        }
    }
}
