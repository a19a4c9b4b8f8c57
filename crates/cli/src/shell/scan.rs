//! The text of SQL as stretches: code, texts in quotes, names in quotes, comments. What quotes and
//! comments are is what the engine's parser takes them for.
//!
//! Pure, and no parser: nothing here knows what a statement means, or that one is wrong.

/// What a stretch of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Keywords, names, numbers, operators and blanks.
    Code,
    /// `'…'` and `$tag$…$tag$`.
    Text,
    /// `"…"`.
    Name,
    /// `-- …` up to the end of the line, and `/* … */`, which nest.
    Comment,
}

/// A stretch of text; stretches follow each other without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether what opened it was closed. A comment of one line needs nothing to close it.
    pub(super) closed: bool,
}

/// Cuts a text into stretches.
pub(super) fn stretches(text: &str) -> Vec<Stretch> {
    let mut found = Vec::new();
    let (mut code, mut at) = (0, 0);
    let mut before = None;
    while let Some(byte) = text.as_bytes().get(at).copied() {
        let Some((kind, length)) = opened(text.get(at..).unwrap_or_default(), before) else {
            before = Some(byte);
            at += 1;
            continue;
        };
        if code < at {
            found.push(Stretch { kind: Kind::Code, start: code, end: at, closed: true });
        }
        let end = length.map_or(text.len(), |length| at + length);
        found.push(Stretch { kind, start: at, end, closed: length.is_some() });
        (code, at, before) = (end, end, None);
    }
    if code < text.len() {
        found.push(Stretch { kind: Kind::Code, start: code, end: text.len(), closed: true });
    }
    found
}

/// Says what begins with `rest`, other than code, and how long it is; no length where it does not
/// end. `before` is the byte in front of it.
fn opened(rest: &str, before: Option<u8>) -> Option<(Kind, Option<usize>)> {
    match rest.as_bytes() {
        [b'\'', ..] => Some((Kind::Text, quoted(rest, '\''))),
        [b'"', ..] => Some((Kind::Name, quoted(rest, '"'))),
        [b'`', ..] => Some((Kind::Name, quoted(rest, '`'))),
        [b'-', b'-', ..] => Some((Kind::Comment, Some(rest.find('\n').unwrap_or(rest.len())))),
        [b'/', b'*', ..] => Some((Kind::Comment, nested(rest))),
        [b'$', ..] if !before.is_some_and(goes_on) => {
            let tag = tag(rest)?;
            let inside = rest.get(tag.len()..).unwrap_or_default();
            Some((Kind::Text, inside.find(tag).map(|end| end + 2 * tag.len())))
        }
        _ => None,
    }
}

/// Returns the length of what stands in quotes; a quote that is doubled stands for itself.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != quote {
            continue;
        }
        if characters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

/// Returns the length of a comment, with all comments in it.
fn nested(rest: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match rest.as_bytes().get(at..)? {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return Some(at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            [] => return None,
            _ => at += 1,
        }
    }
}

/// Returns the `$…$` that opens a text, where it is no parameter such as `$1`.
fn tag(rest: &str) -> Option<&str> {
    let word = rest.get(1..)?;
    let length = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
    word.get(length..)?.starts_with('$').then(|| rest.get(..length + 2)).flatten()
}

/// Whether a `$` behind this byte belongs to the same name.
fn goes_on(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii() || matches!(byte, b'_' | b'$' | b'@' | b'#')
}

#[cfg(test)]
mod tests {
    use super::{Kind, stretches};

    #[test]
    fn a_text_is_cut_where_quotes_and_comments_begin_and_end() {
        use Kind::{Code, Comment, Name, Text};
        let table: [(&str, &[(Kind, &str)]); 14] = [
            ("", &[]),
            ("a + 1", &[(Code, "a + 1")]),
            ("'it''s' x", &[(Text, "'it''s'"), (Code, " x")]),
            ("''", &[(Text, "''")]),
            ("\"a\"\"b\".c", &[(Name, "\"a\"\"b\""), (Code, ".c")]),
            ("`a`", &[(Name, "`a`")]),
            ("a--b'\nc", &[(Code, "a"), (Comment, "--b'"), (Code, "\nc")]),
            ("a - -b", &[(Code, "a - -b")]),
            ("/*a/*b*/c*/d", &[(Comment, "/*a/*b*/c*/"), (Code, "d")]),
            ("$$a'b$$c", &[(Text, "$$a'b$$"), (Code, "c")]),
            ("$t$a$$b$t$", &[(Text, "$t$a$$b$t$")]),
            ("$1 + $name", &[(Code, "$1 + $name")]),
            ("a$$b", &[(Code, "a$$b")]),
            ("é'ü'ß", &[(Code, "é"), (Text, "'ü'"), (Code, "ß")]),
        ];
        for (text, expected) in table {
            let found = stretches(text);
            let told: Vec<(Kind, &str)> =
                found.iter().map(|one| (one.kind, &text[one.start..one.end])).collect();
            assert_eq!(told, expected, "{text}");
            assert!(found.iter().all(|one| one.closed), "{text}");
        }
    }

    #[test]
    fn what_is_not_closed_goes_to_the_end() {
        for (text, kind) in [
            ("x 'a; b''", Kind::Text),
            ("x \"a", Kind::Name),
            ("x /* a /* b */", Kind::Comment),
            ("x $$ a $", Kind::Text),
            ("x $t$ a $$", Kind::Text),
        ] {
            let last = *stretches(text).last().unwrap();
            assert_eq!((last.kind, last.end, last.closed), (kind, text.len(), false), "{text}");
        }
    }
}
