//! Finds the types of JSON columns from all objects, checking their grammar on the way.
//!
//! | the values of a key are | type |
//! |---|---|
//! | all null, or the key's lists all empty | Null, List of Null |
//! | booleans | Boolean |
//! | numbers | see [`Numbers`] |
//! | text | Utf8 |
//! | a mixture of these | Utf8, numbers as they are written |
//! | lists | List of what all their elements are |
//! | objects | Struct of all their keys |
//! | a mixture of lists or objects with others | refused |

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use crate::error::QueryError;
use crate::ingest::numbers::{Literal, Numbers};
use crate::layout::canonical::DEPTH_MAX;

/// More different keys than this in one place are data, not columns.
const KEYS_MAX: usize = 1 << 16;

/// What was seen of a whole file.
pub(super) struct Inference {
    label: String,
    root: Keys,
}

impl Inference {
    pub(super) fn new(label: &str) -> Self {
        Self { label: label.to_owned(), root: Keys::default() }
    }

    /// Takes the object `text`, which starts on `line`, into account.
    pub(super) fn observe(&mut self, text: &[u8], line: u64) -> Result<(), QueryError> {
        let bad = |message: &str| {
            Err(QueryError::bad_input(&self.label, format!("line {line}"), message))
        };
        let Ok(text) = std::str::from_utf8(text) else { return bad("the text is not UTF-8") };
        let mut parser = Parser { text, at: 0, line };
        let parsed = parser.object(&mut self.root, 0).and_then(|()| parser.end());
        parsed.or_else(|message| bad(&message))
    }

    /// Returns the schema that holds every object seen.
    pub(super) fn schema(&self) -> Result<SchemaRef, QueryError> {
        if self.root.fields.is_empty() {
            return Err(QueryError::bad_input(&self.label, "", "there are no columns in it"));
        }
        Ok(Arc::new(Schema::new(self.root.fields("", &self.label)?)))
    }
}

/// The keys of the objects in one place, in the order of their first appearance.
#[derive(Debug, Default)]
struct Keys {
    fields: Vec<(String, Guess)>,
    index: HashMap<String, usize>,
    objects: u64,
}

impl Keys {
    /// The guess of `key` in the object at hand; the second time in one object is an error.
    fn guess(&mut self, key: &str) -> Result<&mut Guess, String> {
        let position = match self.index.get(key) {
            Some(position) => *position,
            None if self.fields.len() >= KEYS_MAX => {
                return Err(format!("there are more than {KEYS_MAX} different keys"));
            }
            None => {
                self.index.insert(key.to_owned(), self.fields.len());
                self.fields.push((key.to_owned(), Guess::default()));
                self.fields.len() - 1
            }
        };
        let objects = self.objects;
        match self.fields.get_mut(position) {
            Some((_, guess)) if guess.object == objects => {
                Err(format!("the key \"{key}\" is twice in one object"))
            }
            Some((_, guess)) => {
                guess.object = objects;
                Ok(guess)
            }
            None => Err("a key was lost".to_owned()),
        }
    }

    fn fields(&self, parent: &str, label: &str) -> Result<Fields, QueryError> {
        self.fields
            .iter()
            .map(|(name, guess)| {
                let path =
                    if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
                Ok(Field::new(name, guess.data_type(&path, label)?, true))
            })
            .collect()
    }
}

/// What the values in one place are: for each kind the line on which it was first seen.
#[derive(Debug, Default)]
struct Guess {
    object: u64,
    boolean: Option<u64>,
    number: Option<u64>,
    text: Option<u64>,
    list: Option<u64>,
    keys: Option<u64>,
    numbers: Numbers,
    element: Option<Box<Self>>,
    inside: Option<Box<Keys>>,
}

impl Guess {
    fn data_type(&self, path: &str, label: &str) -> Result<DataType, QueryError> {
        let scalar = [(self.boolean, "a boolean"), (self.number, "a number"), (self.text, "text")];
        let scalar = scalar.into_iter().find_map(|(line, name)| line.map(|line| (line, name)));
        let list = self.list.map(|line| (line, "a list"));
        let keys = self.keys.map(|line| (line, "an object"));
        match (scalar, list, keys) {
            (None, None, None) => Ok(DataType::Null),
            (Some(_), None, None) => Ok(self.scalar_type()),
            (None, Some(_), None) => {
                let element = match &self.element {
                    Some(element) => element.data_type(path, label)?,
                    None => DataType::Null,
                };
                Ok(DataType::List(Arc::new(Field::new_list_field(element, true))))
            }
            (None, None, Some(_)) => match &self.inside {
                Some(keys) => Ok(DataType::Struct(keys.fields(path, label)?)),
                None => Ok(DataType::Struct(Fields::empty())),
            },
            (scalar, list, keys) => {
                let kinds: Vec<String> = [scalar, list, keys]
                    .into_iter()
                    .flatten()
                    .map(|(line, kind)| format!("{kind} on line {line}"))
                    .collect();
                let message = format!("`{path}` is {}", kinds.join(" and "));
                Err(QueryError::bad_input(label, "", message))
            }
        }
    }

    fn scalar_type(&self) -> DataType {
        match (self.boolean, self.number, self.text) {
            (Some(_), None, None) => DataType::Boolean,
            (None, Some(_), None) => self.numbers.data_type(),
            _ => DataType::Utf8,
        }
    }
}

/// Reads one object by the grammar of RFC 8259. Errors are messages without a place.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// The line of the byte at hand.
    line: u64,
}

impl<'a> Parser<'a> {
    fn end(&mut self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err("there is more behind the object".to_owned()),
        }
    }

    fn value(&mut self, guess: &mut Guess, depth: usize) -> Result<(), String> {
        let line = self.line;
        match self.peek() {
            Some(b'{') => {
                guess.keys.get_or_insert(line);
                self.object(guess.inside.get_or_insert_default(), depth)
            }
            Some(b'[') => {
                guess.list.get_or_insert(line);
                self.list(guess, depth)
            }
            Some(b'"') => {
                guess.text.get_or_insert(line);
                self.string().map(drop)
            }
            Some(b'-' | b'0'..=b'9') => {
                guess.number.get_or_insert(line);
                self.number(&mut guess.numbers)
            }
            Some(b't') => {
                guess.boolean.get_or_insert(line);
                self.word("true")
            }
            Some(b'f') => {
                guess.boolean.get_or_insert(line);
                self.word("false")
            }
            Some(b'n') => self.word("null"),
            Some(_) => Err(self.unexpected("a value")),
            None => Err("the object is cut short".to_owned()),
        }
    }

    fn object(&mut self, keys: &mut Keys, depth: usize) -> Result<(), String> {
        let depth = deeper(depth)?;
        keys.objects += 1;
        self.expect(b'{', "an object")?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in quotes"));
            }
            let key = self.string()?;
            self.expect(b':', "a colon")?;
            let guess = keys.guess(&key)?;
            self.value(guess, depth)?;
            if self.peek() == Some(b'}') {
                self.at += 1;
                return Ok(());
            }
            self.expect(b',', "a comma or a closing brace")?;
        }
    }

    fn list(&mut self, guess: &mut Guess, depth: usize) -> Result<(), String> {
        let depth = deeper(depth)?;
        self.expect(b'[', "a list")?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        let element = guess.element.get_or_insert_default();
        loop {
            self.value(element, depth)?;
            if self.peek() == Some(b']') {
                self.at += 1;
                return Ok(());
            }
            self.expect(b',', "a comma or a closing bracket")?;
        }
    }

    fn number(&mut self, numbers: &mut Numbers) -> Result<(), String> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let (text, _) = rest.split_at(end);
        let literal = Literal::parse(text).ok_or_else(|| format!("{text} is no number"))?;
        numbers.observe(literal);
        self.at += end;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        if !self.rest().starts_with(word) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Reads a string, whose opening quote is next, and returns what it says.
    fn string(&mut self) -> Result<std::borrow::Cow<'a, str>, String> {
        let quoted = self.rest();
        let mut bytes = quoted.bytes().enumerate().skip(1);
        let mut escaped = false;
        while let Some((index, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    self.at += index + 1;
                    let inner = quoted.get(1..index).unwrap_or("");
                    let whole = quoted.get(..=index).unwrap_or("");
                    return if escaped { unescape(whole) } else { Ok(inner.into()) };
                }
                b'\\' => {
                    escaped = true;
                    bytes.next();
                }
                0..0x20 => return Err("a control character in a string must be escaped".to_owned()),
                _ => {}
            }
        }
        Err("a string does not end".to_owned())
    }

    /// The next byte that is not blank, not consumed.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest().as_bytes();
        let blanks =
            rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        let (skipped, rest) = rest.split_at(blanks);
        self.line += skipped.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at += blanks;
        rest.first().copied()
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<(), String> {
        if self.peek() != Some(byte) {
            return Err(self.unexpected(what));
        }
        self.at += 1;
        Ok(())
    }

    fn unexpected(&self, expected: &str) -> String {
        match self.rest().chars().next() {
            Some(found) => format!("expected {expected}, found {found:?}"),
            None => format!("expected {expected}, the object is cut short"),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }
}

fn unescape(quoted: &str) -> Result<std::borrow::Cow<'_, str>, String> {
    serde_json::from_str::<String>(quoted)
        .map(Into::into)
        .map_err(|_| "a string has an escape that means nothing".to_owned())
}

fn deeper(depth: usize) -> Result<usize, String> {
    if depth >= DEPTH_MAX {
        return Err(format!("the object nests deeper than {DEPTH_MAX} levels"));
    }
    Ok(depth + 1)
}
