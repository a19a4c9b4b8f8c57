//! What is being typed: the word at the cursor, what may stand there, and which of the known words
//! begin like it.
//!
//! Pure. Where the names of datasets and columns come from is in `complete.rs`.

use super::dot;
use super::keywords::{FUNCTIONS, KEYWORDS, SYSTEM_TABLES, TABLE_FUNCTIONS, is_keyword};
use super::scan::{Kind, stretches};

/// Words after which a table is named.
const BEFORE_TABLES: [&str; 5] = ["FROM", "JOIN", "INTO", "TABLE", "DESCRIBE"];
/// Words that begin a part of a statement: they tell whether a comma stands between tables.
const CLAUSES: [&str; 12] = [
    "SELECT", "FROM", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "ON", "USING", "BY", "VALUES",
    "SET",
];

/// What may stand at the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Nothing that is known.
    Nothing,
    /// A dot command.
    Command,
    /// A dataset as commands take it: without quotes.
    DatasetName,
    /// The path of a file.
    Path,
    /// A format of answers.
    Mode,
    /// On or off.
    Switch,
    /// A table of a statement.
    Table,
    /// Whatever else a statement has.
    Anything,
}

/// The word at the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// Where it begins in the line, with its quote where it has one.
    pub(super) start: usize,
    /// What there is of it, without a quote.
    pub(super) text: &'a str,
    /// Whether a double quote opened it.
    pub(super) quoted: bool,
    /// What may stand there.
    pub(super) expected: Expected,
}

/// The names that could be meant.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Of datasets.
    pub(super) datasets: Vec<String>,
    /// Of columns of the datasets that the statement names.
    pub(super) columns: Vec<String>,
}

/// Finds the word at the end of `line`; `earlier` are the lines of the statement before it.
pub(super) fn word<'a>(earlier: &str, line: &'a str) -> Word<'a> {
    if earlier.is_empty() && line.starts_with('.') {
        return command_word(line);
    }
    let text = format!("{earlier}{line}");
    let nothing = Word { start: line.len(), text: "", quoted: false, expected: Expected::Nothing };
    let last = stretches(&text).last().copied();
    let (start, quoted) = match last.map(|last| (last.kind, last.closed, last.start)) {
        None => (line.len(), false),
        Some((Kind::Code, ..)) => (line.len() - trailing_word(line).len(), false),
        // One that began in a line before is not completed: only this line can be changed.
        Some((Kind::Name, false, start)) if start >= earlier.len() => (start - earlier.len(), true),
        Some(_) => return nothing,
    };
    let word = line.get(start..).unwrap_or_default();
    let word = if quoted { word.get(1..).unwrap_or_default() } else { word };
    let before = text.get(..earlier.len() + start).unwrap_or_default();
    let expected = if names_table(&tokens(before)) { Expected::Table } else { Expected::Anything };
    Word { start, text: word, quoted, expected }
}

/// Finds the word at the end of a dot command.
fn command_word(line: &str) -> Word<'_> {
    let Some((name, _)) = line.split_once(char::is_whitespace) else {
        return Word { start: 0, text: line, quoted: false, expected: Expected::Command };
    };
    let start = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let expected = match name {
        ".schema" => Expected::DatasetName,
        ".read" => Expected::Path,
        ".mode" => Expected::Mode,
        ".timer" => Expected::Switch,
        _ => Expected::Nothing,
    };
    Word { start, text: line.get(start..).unwrap_or_default(), quoted: false, expected }
}

/// Returns what can take the place of a word, sorted.
pub(super) fn candidates(word: &Word<'_>, known: &Known) -> Vec<String> {
    let mut found: Vec<String> = match word.expected {
        Expected::Nothing | Expected::Path => Vec::new(),
        Expected::Command => {
            let names = dot::COMMANDS.iter().map(|(name, wanted, _)| {
                if wanted.is_empty() { (*name).to_owned() } else { format!("{name} ") }
            });
            names.filter(|name| begins(name, word.text)).collect()
        }
        Expected::DatasetName => beginning(&known.datasets, word.text),
        Expected::Mode => beginning(&dot::modes(), word.text),
        Expected::Switch => beginning(&["off".to_owned(), "on".to_owned()], word.text),
        Expected::Table => tables(word, known),
        Expected::Anything => anything(word, known),
    };
    found.sort();
    found.dedup();
    found
}

/// Returns those of `names` that the statement names, as far as it is there.
pub(super) fn named(statement: &str, names: &[String]) -> Vec<String> {
    let tokens = tokens(statement);
    let said = |name: &str| {
        tokens.iter().any(|token| match token {
            Token::Word(word) => word.eq_ignore_ascii_case(name),
            // A version of a dataset has its columns, or nearly so.
            Token::Name(text) => text.split(['~', '@']).next() == Some(name),
            Token::Sign(_) => false,
        })
    };
    names.iter().filter(|name| said(name)).cloned().collect()
}

/// Writes the name of a dataset as SQL takes it.
pub(crate) fn in_sql(name: &str) -> String {
    name.split('.').map(identifier).collect::<Vec<String>>().join(".")
}

/// Writes one name as SQL takes it: in quotes where it would be read as something else.
fn identifier(name: &str) -> String {
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    let plain = name.starts_with(first)
        && name.chars().all(|c| first(c) || c.is_ascii_digit())
        && !is_keyword(name);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A piece of a statement.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A keyword, a name without quotes, a number; with the points in it.
    Word(String),
    /// A name in quotes, or a text: how a table function takes the name of a dataset.
    Name(String),
    Sign(char),
}

/// Returns the pieces of the last statement of a text.
fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    for stretch in stretches(text) {
        let piece = text.get(stretch.start..stretch.end).unwrap_or_default();
        match stretch.kind {
            Kind::Comment => {}
            Kind::Text | Kind::Name => {
                let inside = piece.trim_matches(['\'', '"', '`']);
                found.push(Token::Name(inside.to_owned()));
            }
            Kind::Code => code_tokens(piece, &mut found),
        }
    }
    let end = found.iter().rposition(|token| *token == Token::Sign(';'));
    if let Some(end) = end {
        found.drain(..=end);
    }
    found
}

fn code_tokens(code: &str, found: &mut Vec<Token>) {
    let mut word = String::new();
    for character in code.chars() {
        if is_of_word(character) {
            word.push(character);
            continue;
        }
        if !word.is_empty() {
            found.push(Token::Word(std::mem::take(&mut word)));
        }
        if !character.is_whitespace() {
            found.push(Token::Sign(character));
        }
    }
    if !word.is_empty() {
        found.push(Token::Word(word));
    }
}

/// Whether a table is named behind these tokens.
fn names_table(tokens: &[Token]) -> bool {
    match tokens.last() {
        Some(Token::Word(word)) => is_one_of(word, &BEFORE_TABLES),
        Some(Token::Sign(',')) => tokens
            .iter()
            .rev()
            .find_map(|token| match token {
                Token::Word(word) if is_one_of(word, &CLAUSES) => Some(word.as_str()),
                _ => None,
            })
            .is_some_and(|clause| clause.eq_ignore_ascii_case("FROM")),
        _ => false,
    }
}

fn tables(word: &Word<'_>, known: &Known) -> Vec<String> {
    let listing = "datasets".to_owned();
    let names = known.datasets.iter().chain(std::iter::once(&listing));
    let names = names.filter(|name| begins(name, word.text));
    if word.quoted {
        return names.map(|name| format!("\"{name}\"")).collect();
    }
    let fixed = TABLE_FUNCTIONS.iter().chain(&SYSTEM_TABLES);
    let fixed = fixed.filter(|name| begins(name, word.text)).map(|name| (*name).to_owned());
    names.map(|name| in_sql(name)).chain(fixed).collect()
}

fn anything(word: &Word<'_>, known: &Known) -> Vec<String> {
    if word.quoted {
        let names = known.datasets.iter().chain(&known.columns);
        let names = names.filter(|name| begins(name, word.text));
        return names.map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    }
    // What stands before a point is a table or its alias; a column follows.
    let (owner, last) = match word.text.rfind('.') {
        Some(at) => word.text.split_at(at + 1),
        None => ("", word.text),
    };
    let columns = known.columns.iter().filter(|name| begins(name, last));
    let mut found: Vec<String> =
        columns.map(|name| format!("{owner}{}", identifier(name))).collect();
    // All that there is in SQL is no help to whoever has typed nothing.
    if word.text.is_empty() {
        return found;
    }
    found.extend(beginning(&known.datasets, word.text).iter().map(|name| in_sql(name)));
    let small = word.text.chars().all(|c| !c.is_uppercase());
    let words = KEYWORDS.iter().chain(&FUNCTIONS).filter(|known| begins(known, word.text));
    found.extend(words.map(|known| match small {
        true => known.to_ascii_lowercase(),
        false => (*known).to_owned(),
    }));
    found
}

fn beginning(names: &[String], start: &str) -> Vec<String> {
    names.iter().filter(|name| begins(name, start)).cloned().collect()
}

fn begins(name: &str, start: &str) -> bool {
    name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}

fn trailing_word(line: &str) -> &str {
    let start = line.rfind(|c: char| !is_of_word(c));
    let start = start.and_then(|at| Some(at + line.get(at..)?.chars().next()?.len_utf8()));
    line.get(start.unwrap_or_default()..).unwrap_or_default()
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::{Expected, Known, candidates, in_sql, named, word};

    fn known() -> Known {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Known {
            datasets: words(&["people", "my-shop", "sales.orders", "order"]),
            columns: words(&["city", "Born", "count"]),
        }
    }

    #[test]
    fn the_word_at_the_cursor_is_found_with_what_may_stand_there() {
        use Expected::{Anything, Command, DatasetName, Mode, Nothing, Path, Switch, Table};
        for (earlier, line, start, text, expected) in [
            ("", "", 0, "", Anything),
            ("", "SEL", 0, "SEL", Anything),
            ("", "SELECT ci", 7, "ci", Anything),
            ("", "SELECT p.ci", 7, "p.ci", Anything),
            ("", "SELECT 1 FROM ", 14, "", Table),
            ("", "select 1 from peo", 14, "peo", Table),
            ("", "SELECT 1 FROM a, peo", 17, "peo", Table),
            ("", "SELECT a, b", 10, "b", Anything),
            ("", "SELECT 1 FROM a WHERE f(x, y", 27, "y", Anything),
            ("", "SELECT 1 FROM a JOIN s.o", 21, "s.o", Table),
            ("", "SELECT 1 FROM a WH", 16, "WH", Anything),
            ("", "SELECT 1 FROM \"my-", 14, "my-", Table),
            ("", "SELECT 1; INSERT INTO p", 22, "p", Table),
            ("", "SELECT 'pe", 10, "", Nothing),
            ("", "SELECT 1 -- fr", 14, "", Nothing),
            ("", "SELECT 1 /* fr", 14, "", Nothing),
            ("SELECT *\nFROM\n", "peo", 0, "peo", Table),
            ("SELECT '\n", "peo", 3, "", Nothing),
            ("SELECT \"\n", "peo", 3, "", Nothing),
            ("SELECT é FROM\n", "é", 0, "é", Table),
            ("", ".sch", 0, ".sch", Command),
            ("", ".schema pe", 8, "pe", DatasetName),
            ("", ".read ./a", 6, "./a", Path),
            ("", ".mode c", 6, "c", Mode),
            ("", ".timer o", 7, "o", Switch),
            ("", ".save x", 6, "x", Nothing),
        ] {
            let found = word(earlier, line);
            let told = (found.start, found.text, found.expected);
            assert_eq!(told, (start, text, expected), "{earlier:?} {line:?}");
        }
    }

    #[test]
    fn words_that_begin_alike_are_offered_as_sql_takes_them() {
        let table: [(&str, &[&str]); 19] = [
            ("SELECT * FROM peo", &["people"]),
            ("SELECT * FROM PEO", &["people"]),
            ("SELECT * FROM my", &["\"my-shop\""]),
            ("SELECT * FROM \"my", &["\"my-shop\""]),
            ("SELECT * FROM o", &["\"order\""]),
            ("SELECT * FROM sales.o", &["sales.orders"]),
            ("SELECT * FROM d", &["datasets", "diff("]),
            ("SELECT * FROM system.co", &["system.columns", "system.commits"]),
            ("SELECT ci", &["city"]),
            ("SELECT p.bo", &["p.\"Born\""]),
            ("SELECT \"B", &["\"Born\""]),
            ("SELECT ", &["\"Born\"", "city", "count"]),
            ("SELECT 1 WHER", &["WHERE"]),
            ("select 1 wher", &["where"]),
            ("SELECT 'c", &[]),
            (".ti", &[".timeout ", ".timer "]),
            (".schema my", &["my-shop"]),
            (".mode l", &["line"]),
            (".timer o", &["off", "on"]),
        ];
        for (line, expected) in table {
            assert_eq!(candidates(&word("", line), &known()), expected, "{line}");
        }
    }

    #[test]
    fn datasets_are_named_with_and_without_quotes() {
        let known = known().datasets;
        let table: [(&str, &[&str]); 7] = [
            ("SELECT 1", &[]),
            ("SELECT * FROM People", &["people"]),
            ("SELECT * FROM \"people~1\"", &["people"]),
            ("SELECT * FROM at('people', '~1')", &["people"]),
            ("SELECT * FROM sales.orders, \"my-shop\" s", &["my-shop", "sales.orders"]),
            ("SELECT * FROM people; SELECT ", &[]),
            ("SELECT 1 -- people\n", &[]),
        ];
        for (statement, expected) in table {
            assert_eq!(named(statement, &known), expected, "{statement}");
        }
    }

    #[test]
    fn names_are_quoted_for_sql_where_needed() {
        for (name, expected) in [
            ("people", "people"),
            ("my-shop.orders", "\"my-shop\".orders"),
            ("2026", "\"2026\""),
            ("sales.order", "sales.\"order\""),
        ] {
            assert_eq!(in_sql(name), expected);
        }
    }
}
