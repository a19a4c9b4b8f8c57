//! How many bytes a function makes of its arguments at most, judged by their lengths and counts and
//! not by doing its work. What the rules are is of each function; what a row is asked for is in
//! `column.rs`.

use datafusion::common::DataFusionError;
use datafusion::logical_expr::ColumnarValue;

use super::column::{Column, DAY, Step};

/// What one element of a list of texts takes besides its text.
const VIEW_BYTES: u64 = 16;
/// What one element of a series takes.
const SERIES_BYTES: i128 = 8;
/// The shortest month, and hours of the shortest day.
const MONTH_DAYS: i128 = 28;
const DAY_HOURS: i128 = 23;
/// Bytes of the widest character.
const CHARACTER_BYTES: u64 = 4;

/// The rule by which a function grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Growth {
    /// All arguments, one behind the other.
    Joined,
    /// All arguments but the first, with the first between them.
    JoinedWith,
    /// A text, so many times.
    Repeated,
    /// A text, filled up to so many characters with another.
    Padded,
    /// A text with another for each place where a third was found.
    Replaced,
    /// A text with another for each place that a pattern fits.
    Rewritten,
    /// A text with other characters.
    Translated,
    /// A text, taken apart into a list.
    Split,
    /// A list, written as a text.
    Written,
    /// A value, so many times in a list.
    Listed,
    /// A list, made so long.
    Resized,
    /// A list of numbers or moments.
    Series,
}

impl Growth {
    /// Returns by what rule the function `name` grows, where it does.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "array_append" | "array_concat" | "array_prepend" | "concat" => Self::Joined,
            "concat_ws" => Self::JoinedWith,
            "repeat" => Self::Repeated,
            "lpad" | "rpad" => Self::Padded,
            "replace" => Self::Replaced,
            "regexp_replace" => Self::Rewritten,
            "translate" => Self::Translated,
            "string_to_array" => Self::Split,
            "array_to_string" => Self::Written,
            "array_repeat" => Self::Listed,
            "array_resize" => Self::Resized,
            "generate_series" | "range" => Self::Series,
            _ => return None,
        })
    }

    /// Returns how many bytes a call makes at most: its result, or its constants where they become
    /// columns first.
    ///
    /// # Errors
    /// For a constant that is no value of a column.
    pub(super) fn bytes(self, args: &[ColumnarValue]) -> Result<u64, DataFusionError> {
        let columns: Result<Vec<Column>, DataFusionError> = args.iter().map(Column::new).collect();
        let columns = columns?;
        let args = Args { columns: &columns };
        let Some(rows) = columns.iter().find_map(Column::rows) else {
            return Ok(self.row(args, 0));
        };
        let made = (0..rows).map(|row| self.row(args, row)).fold(0, u64::saturating_add);
        let constants = columns.iter().filter(|column| column.rows().is_none());
        let constants = constants.map(|column| column.bytes(0)).fold(0, u64::saturating_add);
        Ok(made.max(constants.saturating_mul(rows as u64)))
    }

    fn row(self, args: Args<'_>, row: usize) -> u64 {
        let bytes = |at| args.bytes(at, row);
        match self {
            Self::Joined => args.sum(0, row),
            Self::JoinedWith => {
                bytes(0).saturating_mul(args.columns.len() as u64).saturating_add(args.sum(1, row))
            }
            Self::Repeated => bytes(0).saturating_mul(args.count(1, row)),
            Self::Padded => {
                let filled = args.count(1, row).saturating_mul(args.widest(2, row));
                filled.saturating_add(bytes(0))
            }
            Self::Replaced => replaced(bytes(0), bytes(1), bytes(2)),
            Self::Rewritten => rewritten(args, row),
            Self::Translated => bytes(0).saturating_mul(args.widest(2, row)),
            Self::Split => split(args, row),
            Self::Written => {
                let (elements, texts) = args.get(0).map_or((0, 0), |list| list.written(row));
                let between = bytes(1).saturating_add(bytes(2));
                elements.saturating_mul(between).saturating_add(texts)
            }
            Self::Listed => {
                let element = args.get(0).map_or(0, |value| value.element_bytes(row));
                element.saturating_mul(args.count(1, row))
            }
            Self::Resized => {
                let width = args.get(0).map_or(0, Column::width);
                let element = args.get(2).map_or(0, |value| value.element_bytes(row)).max(width);
                args.count(1, row).saturating_mul(element).saturating_add(bytes(0))
            }
            Self::Series => series(args, row),
        }
    }
}

/// The arguments of a call. One that is left out has no bytes and counts nothing.
#[derive(Clone, Copy)]
struct Args<'a> {
    columns: &'a [Column],
}

impl<'a> Args<'a> {
    fn get(self, at: usize) -> Option<&'a Column> {
        self.columns.get(at)
    }

    fn bytes(self, at: usize, row: usize) -> u64 {
        self.get(at).map_or(0, |column| column.bytes(row))
    }

    fn count(self, at: usize, row: usize) -> u64 {
        self.get(at).map_or(0, |column| column.count(row))
    }

    fn text(self, at: usize, row: usize) -> Option<&'a str> {
        self.get(at)?.text(row)
    }

    /// The bytes of all arguments from `first` on.
    fn sum(self, first: usize, row: usize) -> u64 {
        let columns = self.columns.iter().skip(first);
        columns.map(|column| column.bytes(row)).fold(0, u64::saturating_add)
    }

    /// Bytes of the widest character that a text may have; a text that is left out is a blank.
    fn widest(self, at: usize, row: usize) -> u64 {
        let is_plain = self.text(at, row).is_none_or(str::is_ascii);
        if is_plain { 1 } else { CHARACTER_BYTES }
    }
}

/// A text of `text` bytes in which `to` bytes stand for each `from` bytes; for nothing, they stand
/// between all characters.
fn replaced(text: u64, from: u64, to: u64) -> u64 {
    let places = text.checked_div(from).unwrap_or(text.saturating_add(1));
    places.saturating_mul(to.saturating_sub(from)).saturating_add(text)
}

/// A pattern fits between all characters at most. What it fits may be repeated, for each sign of a
/// group in the replacement; all of it together is no longer than the text.
fn rewritten(args: Args<'_>, row: usize) -> u64 {
    let text = args.bytes(0, row);
    let is_everywhere = args.text(3, row).is_some_and(|flags| flags.contains('g'));
    let places = if is_everywhere { text.saturating_add(1) } else { 1 };
    let groups = args.text(2, row).map_or(0, |to| to.matches(['\\', '$']).count()) as u64;
    places
        .saturating_mul(args.bytes(2, row))
        .saturating_add(text.saturating_mul(groups))
        .saturating_add(text)
}

fn split(args: Args<'_>, row: usize) -> u64 {
    let Some(text) = args.text(0, row) else { return 0 };
    let elements = match args.text(1, row) {
        // Without what parts them, every character is an element.
        None => text.len(),
        Some("") => 1,
        Some(between) => text.matches(between).count() + 1,
    };
    (elements as u64).saturating_mul(VIEW_BYTES).saturating_add(text.len() as u64)
}

fn series(args: Args<'_>, row: usize) -> u64 {
    if args.get(2).is_some_and(Column::is_step) {
        return moments(args, row).unwrap_or_default();
    }
    let whole = |at: usize| args.get(at)?.whole(row).map(i128::from);
    let (start, stop, step) = match args.columns.len() {
        0 | 1 => (Some(0), whole(0), Some(1)),
        2 => (whole(0), whole(1), Some(1)),
        _ => (whole(0), whole(1), whole(2)),
    };
    let (Some(start), Some(stop), Some(step)) = (start, stop, step) else { return 0 };
    steps(stop - start, step)
}

/// A series of dates or times; nothing where a null makes it one.
fn moments(args: Args<'_>, row: usize) -> Option<u64> {
    let span = args.get(1)?.moment(row)? - args.get(0)?.moment(row)?;
    let Step { months, days, nanoseconds } = args.get(2)?.step(row)?;
    let signs = [months.signum(), days.signum(), nanoseconds.signum()];
    if signs.contains(&1) && signs.contains(&-1) {
        // A month less thirty days goes to and fro, and may come to no end.
        return Some(u64::MAX);
    }
    let day = DAY / 24 * DAY_HOURS;
    Some(steps(span, (months * MONTH_DAYS + days) * day + nanoseconds))
}

/// A series over `span`. A step of nothing is refused by the function itself.
fn steps(span: i128, step: i128) -> u64 {
    if step == 0 || span.signum() * step.signum() < 0 {
        return 0;
    }
    u64::try_from((span / step + 1) * SERIES_BYTES).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
