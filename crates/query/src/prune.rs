//! Column statistics of a commit in the words of the SQL engine: which parts a filter can skip
//! before any of them is touched, and what is known of a scan's result.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, i256};
use cidlake_catalog::{ColumnStats, Part, PartListLink, Scalar};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, ScalarValue, Statistics};

/// Returns `scalar` as a value of `kind`, where it has one.
///
/// Values are kept in the canonical type of their column; `kind` is the type that is read.
pub(crate) fn scalar_value(scalar: &Scalar, kind: &DataType) -> Option<ScalarValue> {
    let canonical = match (scalar, kind) {
        (Scalar::Bool(value), _) => ScalarValue::Boolean(Some(*value)),
        (Scalar::Text(text), _) => ScalarValue::Utf8(Some(text.clone())),
        (Scalar::Bytes(bytes), DataType::FixedSizeBinary(size)) => {
            // A bound that was cut short is one with zeros behind it as well.
            let mut whole = bytes.to_vec();
            whole.resize(usize::try_from(*size).ok()?, 0);
            ScalarValue::FixedSizeBinary(*size, Some(whole))
        }
        (Scalar::Bytes(bytes), _) => ScalarValue::Binary(Some(bytes.to_vec())),
        (Scalar::Wide(bytes), _) => decimal(bytes, kind)?,
        (Scalar::Float(value), _) => ScalarValue::Float64(Some(*value)),
        (Scalar::UInt(value), _) => ScalarValue::UInt64(Some(*value)),
        (Scalar::Int(value), _) => integer(*value, kind)?,
    };
    if canonical.data_type() == *kind {
        return Some(canonical);
    }
    canonical.cast_to(kind).ok().filter(|value| !value.is_null())
}

/// Which end of a column a bound is.
#[derive(Clone, Copy)]
enum End {
    Least,
    Greatest,
}

impl End {
    fn of(self, stats: &ColumnStats) -> Option<&Scalar> {
        match self {
            Self::Least => stats.min.as_ref(),
            Self::Greatest => stats.max.as_ref(),
        }
    }

    /// Returns the bound as a value of `kind`. A zero may stand for either zero, and the engine
    /// orders them: the bound becomes the outer one.
    fn value(self, stats: &ColumnStats, kind: &DataType) -> Option<ScalarValue> {
        let zero = match self {
            Self::Least => -0.0,
            Self::Greatest => 0.0,
        };
        match self.of(stats)? {
            Scalar::Float(value) if *value == 0.0 => scalar_value(&Scalar::Float(zero), kind),
            scalar => scalar_value(scalar, kind),
        }
    }
}

/// Returns an integer as what the canonical column of `kind` means by it.
fn integer(value: i64, kind: &DataType) -> Option<ScalarValue> {
    let narrow = || i32::try_from(value).ok();
    Some(match kind {
        DataType::Date32 => ScalarValue::Date32(Some(narrow()?)),
        DataType::Date64 => ScalarValue::Date64(Some(value)),
        DataType::Time32(_) => ScalarValue::Time32Millisecond(Some(narrow()?)),
        DataType::Time64(TimeUnit::Nanosecond) => ScalarValue::Time64Nanosecond(Some(value)),
        DataType::Time64(_) => ScalarValue::Time64Microsecond(Some(value)),
        DataType::Timestamp(unit, zone) => {
            let (value, zone) = (Some(value), zone.clone());
            match unit {
                // Seconds are kept as milliseconds.
                TimeUnit::Second | TimeUnit::Millisecond => {
                    ScalarValue::TimestampMillisecond(value, zone)
                }
                TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(value, zone),
                TimeUnit::Nanosecond => ScalarValue::TimestampNanosecond(value, zone),
            }
        }
        DataType::Duration(unit) => match unit {
            TimeUnit::Second => ScalarValue::DurationSecond(Some(value)),
            TimeUnit::Millisecond => ScalarValue::DurationMillisecond(Some(value)),
            TimeUnit::Microsecond => ScalarValue::DurationMicrosecond(Some(value)),
            TimeUnit::Nanosecond => ScalarValue::DurationNanosecond(Some(value)),
        },
        _ => ScalarValue::Int64(Some(value)),
    })
}

/// Returns an unscaled big-endian integer as a decimal of `kind`.
fn decimal(bytes: &[u8], kind: &DataType) -> Option<ScalarValue> {
    let (precision, scale) = match kind {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => (*precision, *scale),
        _ => return None,
    };
    // The canonical type writes out the digits that a negative scale leaves out.
    let precision = precision.saturating_add(scale.min(0).unsigned_abs());
    let scale = scale.max(0);
    if let Ok(bytes) = <[u8; 16]>::try_from(bytes) {
        return Some(ScalarValue::Decimal128(Some(i128::from_be_bytes(bytes)), precision, scale));
    }
    let bytes = <[u8; 32]>::try_from(bytes).ok()?;
    Some(ScalarValue::Decimal256(Some(i256::from_be_bytes(bytes)), precision, scale))
}

/// Which bound of a column over all parts is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// The least value.
    Least,
    /// The greatest value.
    Greatest,
}

/// Returns the outermost of `bounds` of a column of `kind`, as people read it; `None` where they
/// have no order.
#[must_use]
pub fn extreme_text(bounds: &[&Scalar], kind: &DataType, which: Extreme) -> Option<String> {
    let mut best: Option<ScalarValue> = None;
    for bound in bounds {
        let value = scalar_value(bound, kind)?;
        best = match best {
            None => Some(value),
            Some(held) => {
                let order = value.partial_cmp(&held)?;
                let outer = match which {
                    Extreme::Least => order.is_lt(),
                    Extreme::Greatest => order.is_gt(),
                };
                Some(if outer { value } else { held })
            }
        };
    }
    best.map(|value| value.to_string())
}

/// What is known of the rows of a part, or of all parts below a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) rows: u64,
    columns: &'a [ColumnStats],
}

impl<'a> From<&'a Part> for Known<'a> {
    fn from(part: &'a Part) -> Self {
        Self { rows: part.rows, columns: &part.columns }
    }
}

impl<'a> From<&'a PartListLink> for Known<'a> {
    fn from(link: &'a PartListLink) -> Self {
        Self { rows: link.rows, columns: &link.columns }
    }
}

/// Parts, or lists of parts, as containers that a filter may rule out.
pub(crate) struct KnownStatistics<'a> {
    containers: Vec<Known<'a>>,
    schema: &'a SchemaRef,
}

impl<'a> KnownStatistics<'a> {
    pub(crate) fn new(containers: Vec<Known<'a>>, schema: &'a SchemaRef) -> Self {
        Self { containers, schema }
    }

    /// Returns one bound of `column` for each container, null where one does not say.
    fn bounds(&self, column: &Column, end: End) -> Option<ArrayRef> {
        let (index, field) = self.schema.column_with_name(column.name())?;
        let unknown = ScalarValue::try_new_null(field.data_type()).ok()?;
        let values = self.containers.iter().map(|known| {
            let stats = known.columns.get(index);
            let value = stats.and_then(|stats| end.value(stats, field.data_type()));
            value.unwrap_or_else(|| unknown.clone())
        });
        ScalarValue::iter_to_array(values).ok()
    }
}

impl PruningStatistics for KnownStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, End::Least)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, End::Greatest)
    }

    fn num_containers(&self) -> usize {
        self.containers.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (index, _) = self.schema.column_with_name(column.name())?;
        let nulls =
            self.containers.iter().map(|known| known.columns.get(index).map(|stats| stats.nulls));
        Some(Arc::new(nulls.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows = self.containers.iter().map(|known| Some(known.rows));
        Some(Arc::new(rows.collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// Returns what is known of one part: rows exactly, bounds as exactly as the commit says.
pub(crate) fn part_statistics(part: &Part, schema: &SchemaRef) -> Statistics {
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        let Some(stats) = part.columns.get(index) else {
            return ColumnStatistics::new_unknown();
        };
        let bound = |end: End| match end.value(stats, field.data_type()) {
            Some(value) if stats.exact && !is_zero(end.of(stats)) => Precision::Exact(value),
            Some(value) => Precision::Inexact(value),
            None => Precision::Absent,
        };
        ColumnStatistics {
            null_count: count(stats.nulls),
            min_value: bound(End::Least),
            max_value: bound(End::Greatest),
            ..ColumnStatistics::new_unknown()
        }
    });
    Statistics {
        num_rows: count(part.rows),
        total_byte_size: Precision::Absent,
        column_statistics: columns.collect(),
    }
}

/// Whether a bound is a floating-point zero: which of the two it is was not kept.
fn is_zero(bound: Option<&Scalar>) -> bool {
    matches!(bound, Some(Scalar::Float(value)) if *value == 0.0)
}

fn count(value: u64) -> Precision<usize> {
    usize::try_from(value).map_or(Precision::Absent, Precision::Exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_mean_what_was_stored() {
        let wide = |value: i128| Scalar::Wide(value.to_be_bytes().to_vec().into());
        let cases = [
            (wide(12_300), DataType::Decimal32(5, -2), ScalarValue::Decimal32(Some(123), 5, -2)),
            (wide(-500), DataType::Decimal128(5, -2), ScalarValue::Decimal128(Some(-5), 5, -2)),
            (wide(123), DataType::Decimal64(12, 2), ScalarValue::Decimal64(Some(123), 12, 2)),
            (
                Scalar::Bytes(vec![1, 2].into()),
                DataType::FixedSizeBinary(4),
                ScalarValue::FixedSizeBinary(4, Some(vec![1, 2, 0, 0])),
            ),
        ];
        for (scalar, kind, expected) in cases {
            assert_eq!(scalar_value(&scalar, &kind), Some(expected), "{kind}");
        }
    }
}
