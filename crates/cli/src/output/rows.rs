//! The rows of a table on their way out: all of them for programs, a preview for people.
//!
//! Everything streams; a preview keeps the rows that it shows and only counts the others, up to a
//! bound.

use std::io::{self, BufWriter, Write};

use cidlake::arrow::datatypes::SchemaRef;
use cidlake::arrow::record_batch::RecordBatch;
use cidlake::{Error, ErrorKind, Rows, emit, emit_rows};

use super::line::line_rows;
use super::table::{Layout, markdown_head, markdown_rows};
use super::{Form, count, plural};

/// Rows that a preview shows unless told otherwise.
const ROWS_SHOWN: usize = 40;
/// Rows that a preview shows at most: they are laid out in memory.
const ROWS_SHOWN_MAX: usize = 10_000;
/// Rows beyond those shown that are counted, to say how many there are.
const ROWS_COUNTED_MAX: u64 = 100_000;

/// How many rows people are shown, and what to do to see the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    rows: usize,
    advice: &'static str,
}

impl Shown {
    /// Shows as many rows as were asked for, else the usual number.
    pub(crate) fn new(asked: Option<usize>, advice: &'static str) -> Self {
        Self { rows: asked.unwrap_or(ROWS_SHOWN).min(ROWS_SHOWN_MAX), advice }
    }
}

/// The first rows of an answer as a table, and how many there are in all.
pub(crate) struct Preview {
    layout: Layout,
    shown: Shown,
    rows: u64,
    stopped: bool,
}

/// Hears how many rows there are so far.
pub(crate) type Seen<'a> = &'a (dyn Fn(u64) + Sync);

impl Preview {
    /// Begins a preview of rows of one schema.
    pub(crate) fn new(schema: &SchemaRef, shown: Shown) -> Self {
        Self { layout: Layout::of_schema(schema), shown, rows: 0, stopped: false }
    }

    /// Takes a batch; returns whether it makes sense to bring another.
    ///
    /// # Errors
    /// When a column has no text form.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<bool, Error> {
        let have = usize::try_from(self.rows).unwrap_or(usize::MAX);
        let wanted = self.shown.rows.saturating_sub(have).min(batch.num_rows());
        if wanted > 0 {
            self.layout.batch(&batch.slice(0, wanted))?;
        }
        self.rows += batch.num_rows() as u64;
        self.stopped = self.rows > self.shown.rows as u64 + ROWS_COUNTED_MAX;
        Ok(!self.stopped)
    }

    /// Draws the table and the line below it.
    pub(crate) fn finish(self, width: Option<u16>) -> String {
        let (mut text, columns) = self.layout.boxed(width);
        text.push_str(&self.footer(columns));
        text.push('\n');
        text
    }

    fn footer(&self, columns: usize) -> String {
        let shown = self.shown.rows as u64;
        let mut text = if self.rows <= shown {
            plural(self.rows, "row")
        } else {
            let about = if self.stopped { "more than " } else { "" };
            let rows = if self.stopped { shown + ROWS_COUNTED_MAX } else { self.rows };
            format!("{} of {about}{} rows ({})", count(shown), count(rows), self.shown.advice)
        };
        if columns < self.layout.columns() {
            text.push_str(&format!(", {columns} of {} columns", self.layout.columns()));
        }
        text
    }
}

/// Reads as much as a preview needs and returns its text; `seen` hears of the rows that were read.
///
/// # Errors
/// What stopped the rows.
pub(crate) async fn preview(
    mut rows: Rows,
    shown: Shown,
    width: Option<u16>,
    seen: Seen<'_>,
) -> Result<String, Error> {
    let mut preview = Preview::new(&rows.schema(), shown);
    while let Some(batch) = rows.next().await? {
        if !preview.push(&batch)? {
            break;
        }
        seen(preview.rows);
    }
    Ok(preview.finish(width))
}

/// Writes all rows to `out` in a format that streams, and returns how many there were.
///
/// # Errors
/// What stopped the rows, or the failure of `out`. `Internal` for a table of text, which does not
/// stream.
pub(crate) async fn stream(
    rows: Rows,
    form: Form,
    out: Box<dyn Write + Send>,
) -> Result<u64, Error> {
    match form {
        Form::Data(format) => emit_rows(rows, format, out).await,
        Form::ArrowStream => arrow_stream(rows, out).await,
        Form::Markdown => markdown(rows, out).await,
        Form::Line => lines(rows, out).await,
        Form::Table => Err(Error::new(ErrorKind::Internal, "a table of text does not stream")),
    }
}

async fn arrow_stream(mut rows: Rows, out: Box<dyn Write + Send>) -> Result<u64, Error> {
    let mut writer = emit::arrow_stream(out, &rows.schema())?;
    let mut count = 0;
    while let Some(batch) = rows.next().await? {
        count += batch.num_rows() as u64;
        writer.write(&batch)?;
    }
    writer.finish()?;
    Ok(count)
}

async fn lines(mut rows: Rows, out: Box<dyn Write + Send>) -> Result<u64, Error> {
    let mut out = BufWriter::new(out);
    let mut count = 0;
    while let Some(batch) = rows.next().await? {
        out.write_all(line_rows(&batch, count == 0)?.as_bytes()).map_err(unwritten)?;
        count += batch.num_rows() as u64;
    }
    out.flush().map_err(unwritten)?;
    Ok(count)
}

async fn markdown(mut rows: Rows, out: Box<dyn Write + Send>) -> Result<u64, Error> {
    let mut out = BufWriter::new(out);
    let mut count = 0;
    out.write_all(markdown_head(&rows.schema()).as_bytes()).map_err(unwritten)?;
    while let Some(batch) = rows.next().await? {
        count += batch.num_rows() as u64;
        out.write_all(markdown_rows(&batch)?.as_bytes()).map_err(unwritten)?;
    }
    out.flush().map_err(unwritten)?;
    Ok(count)
}

fn unwritten(error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the output could not be written").with_source(error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cidlake::arrow::array::{ArrayRef, Int64Array};
    use cidlake::arrow::record_batch::RecordBatch;

    use super::{Preview, Shown};

    fn numbers(rows: i64) -> RecordBatch {
        let array: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        RecordBatch::try_from_iter([("n", array)]).unwrap()
    }

    fn last_line(rows: i64, batches: usize, asked: Option<usize>) -> String {
        let batch = numbers(rows);
        let mut preview = Preview::new(&batch.schema(), Shown::new(asked, "more"));
        for _ in 0..batches {
            if !preview.push(&batch).unwrap() {
                break;
            }
        }
        preview.finish(None).lines().last().unwrap().to_owned()
    }

    #[test]
    fn the_line_below_says_how_many_rows_there_are() {
        assert_eq!(last_line(0, 1, None), "0 rows");
        assert_eq!(last_line(1, 1, None), "1 row");
        assert_eq!(last_line(20, 2, None), "40 rows");
        assert_eq!(last_line(20, 3, None), "40 of 60 rows (more)");
        assert_eq!(last_line(20, 3, Some(60)), "60 rows");
        assert_eq!(last_line(90_000, 9, None), "40 of more than 100,040 rows (more)");
    }

    #[test]
    fn only_the_rows_shown_are_drawn() {
        let batch = numbers(100);
        let mut preview = Preview::new(&batch.schema(), Shown::new(None, "more"));
        assert!(preview.push(&batch).unwrap());
        let text = preview.finish(None);
        // Three lines of the box and its header, the rows, the lower edge, the count.
        assert_eq!(text.lines().count(), 3 + 40 + 1 + 1);
        assert!(text.contains("│ 39 │") && !text.contains("│ 40 │"), "{text}");
    }
}
