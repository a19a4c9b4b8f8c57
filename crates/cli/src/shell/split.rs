//! Where statements end: a text with several of them becomes statements, each with the line in which
//! it begins.
//!
//! Pure. What a statement says is for the engine to find out; here only `;` counts, outside of
//! quotes and comments.

use super::scan::{Kind, stretches};

/// One statement of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// Its text, from its first word to before its `;`.
    pub(crate) text: &'a str,
    /// The line in which it begins; the first is 1.
    pub(crate) line: usize,
}

/// What a text consists of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Split<'a> {
    /// Its statements; the last one may lack its `;`.
    pub(crate) statements: Vec<Statement<'a>>,
    /// Whether nothing is left open: no statement without `;`, no quote, no comment.
    pub(crate) ended: bool,
}

/// Cuts a text into statements.
pub(crate) fn split(text: &str) -> Split<'_> {
    let mut cutter = Cutter { text, begun: None, statements: Vec::new(), lines: (0, 1) };
    let mut closed = true;
    for stretch in stretches(text) {
        closed &= stretch.closed;
        match stretch.kind {
            Kind::Comment => {}
            Kind::Text | Kind::Name => cutter.word(stretch.start),
            Kind::Code => {
                let code = text.get(stretch.start..stretch.end).unwrap_or_default();
                for (at, character) in code.char_indices() {
                    match character {
                        ';' => cutter.end(stretch.start + at),
                        blank if blank.is_whitespace() => {}
                        _ => cutter.word(stretch.start + at),
                    }
                }
            }
        }
    }
    let ended = closed && cutter.begun.is_none();
    cutter.end(text.trim_end().len());
    Split { statements: cutter.statements, ended }
}

struct Cutter<'a> {
    text: &'a str,
    /// Where the statement begins that has not ended.
    begun: Option<usize>,
    statements: Vec<Statement<'a>>,
    /// A place in the text and its line: lines are counted once.
    lines: (usize, usize),
}

impl Cutter<'_> {
    /// Takes note of something that belongs to a statement.
    fn word(&mut self, at: usize) {
        self.begun.get_or_insert(at);
    }

    /// Ends the statement that has begun, if one has.
    fn end(&mut self, at: usize) {
        let Some(start) = self.begun.take() else { return };
        let (counted, line) = self.lines;
        let line = line + self.text.get(counted..start).unwrap_or_default().matches('\n').count();
        self.lines = (start, line);
        let text = self.text.get(start..at).unwrap_or_default().trim_end();
        self.statements.push(Statement { text, line });
    }
}

#[cfg(test)]
mod tests {
    use super::{Split, Statement, split};

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes_and_comments() {
        /// A text, its statements with their lines, and whether it has ended.
        type Case<'a> = (&'a str, &'a [(&'a str, usize)], bool);
        let table: [Case<'_>; 21] = [
            ("", &[], true),
            (" \n\t", &[], true),
            (";;", &[], true),
            ("-- nothing", &[], true),
            ("/* nothing; */ ;", &[], true),
            ("SELECT 1", &[("SELECT 1", 1)], false),
            ("SELECT 1;", &[("SELECT 1", 1)], true),
            ("SELECT 1 ; -- one;\n", &[("SELECT 1", 1)], true),
            ("SELECT 1;\n\nSELECT 2", &[("SELECT 1", 1), ("SELECT 2", 3)], false),
            (
                "-- a\nSELECT\n1; SELECT 2;\n\n;SELECT 3;",
                &[("SELECT\n1", 2), ("SELECT 2", 3), ("SELECT 3", 5)],
                true,
            ),
            ("SELECT ';' ;", &[("SELECT ';'", 1)], true),
            ("SELECT 'it'';s';", &[("SELECT 'it'';s'", 1)], true),
            ("SELECT \"a;b\" FROM x;", &[("SELECT \"a;b\" FROM x", 1)], true),
            ("SELECT $$ ; ' $$;", &[("SELECT $$ ; ' $$", 1)], true),
            ("SELECT $q$ ; $$ $q$;", &[("SELECT $q$ ; $$ $q$", 1)], true),
            ("SELECT $1; SELECT $2;", &[("SELECT $1", 1), ("SELECT $2", 1)], true),
            ("SELECT /* ; /* ; */ ; */ 1;", &[("SELECT /* ; /* ; */ ; */ 1", 1)], true),
            ("SELECT 1 -- ;\n;", &[("SELECT 1 -- ;", 1)], true),
            ("SELECT 'a;", &[("SELECT 'a;", 1)], false),
            ("SELECT 1; /* open", &[("SELECT 1", 1)], false),
            ("'é';\nSELECT 'ß;ü';", &[("'é'", 1), ("SELECT 'ß;ü'", 2)], true),
        ];
        for (text, expected, ended) in table {
            let statements =
                expected.iter().map(|(text, line)| Statement { text, line: *line }).collect();
            assert_eq!(split(text), Split { statements, ended }, "{text}");
        }
    }

    #[test]
    fn no_cut_of_a_text_is_too_odd() {
        let text = "SELECT 'a''b', \"c\"\"d\" /* e /* f */ */ -- g\n, $h$ i $h$, $1; é;";
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            let pieces = split(&text[..end]).statements;
            let length: usize = pieces.iter().map(|piece| piece.text.len()).sum();
            assert!(length <= end && pieces.iter().all(|piece| !piece.text.is_empty()), "{end}");
        }
    }
}
