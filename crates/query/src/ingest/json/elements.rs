//! Cuts a JSON file into the texts of its objects, without looking at what is in them but for
//! strings and brackets. Counts lines, so that errors can name them.

use std::io::{BufRead, BufReader, Read};

use crate::error::QueryError;
use crate::ingest::source::CountedReader;

/// Longer objects are refused: one row of this size is no row.
const ELEMENT_BYTES_MAX: usize = 256 << 20;
const BUFFER_BYTES: usize = 256 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How the objects follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ingest) enum Layout {
    /// `[{…}, {…}]`
    Array,
    /// One object on each line that is not blank.
    Lines,
}

/// The objects of a file, one after the other.
pub(super) struct Elements {
    input: BufReader<CountedReader>,
    label: String,
    layout: Layout,
    /// The line of the next byte, counted from 1.
    line: u64,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first byte.
    Start,
    /// Behind the opening bracket.
    First,
    /// Behind an object.
    Later,
    End,
}

impl Elements {
    pub(super) fn new(input: CountedReader, label: &str, layout: Layout) -> Self {
        Self {
            input: BufReader::with_capacity(BUFFER_BYTES, input),
            label: label.to_owned(),
            layout,
            line: 1,
            place: Place::Start,
        }
    }

    /// Puts the text of the next object into `text` and returns the line on which it starts, or
    /// `None` behind the last.
    pub(super) fn next(&mut self, text: &mut Vec<u8>) -> Result<Option<u64>, QueryError> {
        text.clear();
        if self.place == Place::Start {
            self.skip_mark()?;
        }
        match self.layout {
            Layout::Lines => self.next_line(text),
            Layout::Array => self.next_element(text),
        }
    }

    fn skip_mark(&mut self) -> Result<(), QueryError> {
        let marked = self.fill()?.starts_with(BYTE_ORDER_MARK);
        if marked {
            self.input.consume(BYTE_ORDER_MARK.len());
        }
        Ok(())
    }

    fn next_line(&mut self, text: &mut Vec<u8>) -> Result<Option<u64>, QueryError> {
        self.place = Place::Later;
        loop {
            text.clear();
            let line = self.line;
            let limit = ELEMENT_BYTES_MAX as u64;
            let read = (&mut self.input).take(limit).read_until(b'\n', text);
            if read.map_err(|error| self.io(error))? == 0 {
                return Ok(None);
            }
            if text.len() >= ELEMENT_BYTES_MAX {
                return Err(self.too_long());
            }
            self.line += 1;
            match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
                None => {}
                Some(b'{') => return Ok(Some(line)),
                Some(b'[') if line == 1 => {
                    return Err(QueryError::bad_input(
                        &self.label,
                        "line 1",
                        "an array where one object per line is expected; its format is json",
                    ));
                }
                Some(_) => {
                    return Err(QueryError::bad_input(
                        &self.label,
                        format!("line {line}"),
                        "there is no object; each line must be one, {\"column\": value, …}",
                    ));
                }
            }
        }
    }

    fn next_element(&mut self, text: &mut Vec<u8>) -> Result<Option<u64>, QueryError> {
        if self.place == Place::End {
            return Ok(None);
        }
        if self.place == Place::Start {
            self.open_bracket()?;
        }
        let mut byte = self.significant("the closing bracket is missing; the file is cut short")?;
        if byte == b']' {
            return self.close();
        }
        if self.place == Place::Later {
            if byte != b',' {
                return Err(self.bad("a comma or the closing bracket is missing"));
            }
            self.input.consume(1);
            byte = self.significant("the file is cut short behind a comma")?;
        }
        if byte != b'{' {
            return Err(
                self.bad("there is no object; each element must be one, {\"column\": value, …}")
            );
        }
        self.place = Place::Later;
        let line = self.line;
        self.take_object(text)?;
        Ok(Some(line))
    }

    fn open_bracket(&mut self) -> Result<(), QueryError> {
        match self.significant("the file is empty")? {
            b'[' => {
                self.input.consume(1);
                self.place = Place::First;
                Ok(())
            }
            b'{' => Err(self.bad(
                "an object where an array of objects is expected; put it in brackets, \
                 or, if each line is an object, its format is ndjson",
            )),
            _ => Err(self.bad("this is no JSON array of objects")),
        }
    }

    /// Behind the closing bracket there may be blanks only.
    fn close(&mut self) -> Result<Option<u64>, QueryError> {
        self.input.consume(1);
        self.place = Place::End;
        match self.skip_blanks()? {
            None => Ok(None),
            Some(_) => Err(self.bad("there is more behind the end of the array")),
        }
    }

    /// Copies from an opening brace to the one that closes it.
    fn take_object(&mut self, text: &mut Vec<u8>) -> Result<(), QueryError> {
        let mut state = Brackets::default();
        loop {
            if text.len() > ELEMENT_BYTES_MAX {
                return Err(self.too_long());
            }
            let buffer = self.input.fill_buf();
            let buffer = match buffer {
                Ok([]) => {
                    let place = format!("line {}", self.line);
                    let message = "an object does not end; the file is cut short";
                    return Err(QueryError::bad_input(&self.label, place, message));
                }
                Ok(buffer) => buffer,
                Err(error) => return Err(self.io(error)),
            };
            let end = buffer.iter().position(|byte| state.closes(*byte));
            let taken = end.map_or(buffer, |end| buffer.get(..=end).unwrap_or(buffer));
            text.extend_from_slice(taken);
            self.line += count_lines(taken);
            let count = taken.len();
            self.input.consume(count);
            if end.is_some() {
                return Ok(());
            }
        }
    }

    /// The next byte that is not blank, not consumed; `missing` is what its absence means.
    fn significant(&mut self, missing: &str) -> Result<u8, QueryError> {
        match self.skip_blanks()? {
            Some(byte) => Ok(byte),
            None => Err(self.bad(missing)),
        }
    }

    fn skip_blanks(&mut self) -> Result<Option<u8>, QueryError> {
        loop {
            let buffer = self.fill()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let blanks = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let (skipped, rest) = buffer.split_at(blanks);
            let (lines, next) = (count_lines(skipped), rest.first().copied());
            self.line += lines;
            self.input.consume(blanks);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    fn fill(&mut self) -> Result<&[u8], QueryError> {
        let label = &self.label;
        self.input.fill_buf().map_err(|source| QueryError::Io {
            label: label.clone(),
            op: "read",
            source,
        })
    }

    fn io(&self, source: std::io::Error) -> QueryError {
        QueryError::Io { label: self.label.clone(), op: "read", source }
    }

    fn bad(&self, message: &str) -> QueryError {
        QueryError::bad_input(&self.label, format!("line {}", self.line), message)
    }

    fn too_long(&self) -> QueryError {
        self.bad(&format!("an object is longer than {} MiB", ELEMENT_BYTES_MAX >> 20))
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// How deep in brackets, and whether in a string.
#[derive(Default)]
struct Brackets {
    depth: u64,
    quoted: bool,
    escaped: bool,
}

impl Brackets {
    /// Takes the next byte and says whether it closes the outermost bracket.
    fn closes(&mut self, byte: u8) -> bool {
        if self.quoted {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.quoted = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.quoted = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}
