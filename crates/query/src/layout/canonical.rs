//! The canonical form of a schema: what a table's types become before they are encoded, so that
//! the same values have the same bytes whatever Arrow types carried them.
//!
//! Only types are decided here; arrays are converted in `convert` and turned back in `restore`.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field, FieldRef, Fields,
    IntervalUnit, Schema, SchemaRef, TimeUnit,
};

pub use super::restore::restore;
use crate::error::QueryError;

/// How deep lists, structs and maps may nest.
pub const DEPTH_MAX: usize = 64;

/// Name of the elements of a canonical list, as the Parquet format wants it.
const ELEMENT: &str = "element";
/// Names of the entries, keys and values of a canonical map.
const ENTRIES: &str = "key_value";
const KEY: &str = "key";
const VALUE: &str = "value";

/// Returns the canonical form of `schema`: every field nullable (but for the keys of maps), no
/// metadata, each type replaced by the one that Parquet holds.
///
/// # Errors
/// `Unsupported` names the first column that cannot be stored, by its path; `BadInput` says that
/// there are no columns, or two of one name.
pub fn canonical_schema(schema: &Schema) -> Result<SchemaRef, QueryError> {
    if schema.fields().is_empty() {
        return Err(QueryError::bad_input(
            "the table",
            "",
            "there are no columns; a table needs at least one",
        ));
    }
    Ok(Arc::new(Schema::new(canonical_fields(schema.fields(), "", 0)?)))
}

fn canonical_fields(fields: &Fields, parent: &str, depth: usize) -> Result<Fields, QueryError> {
    let mut names = HashSet::with_capacity(fields.len());
    fields
        .iter()
        .map(|field| {
            let path = join(parent, field.name());
            if !names.insert(field.name()) {
                let message = format!("there are two columns named `{path}`; rename one of them");
                return Err(QueryError::bad_input("the table", "", message));
            }
            Ok(Field::new(field.name(), canonical_type(field.data_type(), &path, depth)?, true))
        })
        .collect()
}

/// Returns the canonical form of one type; `path` is for messages.
pub(super) fn canonical_type(
    kind: &DataType,
    path: &str,
    depth: usize,
) -> Result<DataType, QueryError> {
    if depth > DEPTH_MAX {
        let what = format!("it nests deeper than {DEPTH_MAX} levels; flatten it");
        return Err(QueryError::unsupported(path, what));
    }
    Ok(match kind {
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Interval(IntervalUnit::DayTime) => kind.clone(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::FixedSizeBinary(width) if *width > 0 => kind.clone(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => canonical_decimal(*precision, *scale, path)?,
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::Timestamp(unit, zone) => {
            let unit = if *unit == TimeUnit::Second { TimeUnit::Millisecond } else { *unit };
            let zone = zone.as_deref().filter(|zone| !zone.is_empty()).map(|_| "UTC".into());
            DataType::Timestamp(unit, zone)
        }
        DataType::Time32(TimeUnit::Second | TimeUnit::Millisecond) => {
            DataType::Time32(TimeUnit::Millisecond)
        }
        DataType::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond) => kind.clone(),
        DataType::Duration(_) => DataType::Int64,
        DataType::Interval(IntervalUnit::YearMonth) => DataType::Int32,
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => {
            let inside = canonical_type(element.data_type(), &join(path, ELEMENT), depth + 1)?;
            DataType::List(Arc::new(Field::new(ELEMENT, inside, true)))
        }
        DataType::Struct(fields) if !fields.is_empty() => {
            DataType::Struct(canonical_fields(fields, path, depth + 1)?)
        }
        DataType::Map(entries, _) => canonical_map(entries, path, depth + 1)?,
        DataType::Dictionary(_, values) => canonical_type(values, path, depth + 1)?,
        DataType::RunEndEncoded(_, values) => canonical_type(values.data_type(), path, depth + 1)?,
        _ => return Err(QueryError::unsupported(path, refusal(kind))),
    })
}

/// One decimal type for all widths. Parquet knows no negative scale, so the digits that it leaves
/// out are written out.
fn canonical_decimal(precision: u8, scale: i8, path: &str) -> Result<DataType, QueryError> {
    let written_out = if scale < 0 { scale.unsigned_abs() } else { 0 };
    let precision = precision.saturating_add(written_out);
    let scale = scale.max(0);
    if precision <= DECIMAL128_MAX_PRECISION {
        Ok(DataType::Decimal128(precision, scale))
    } else if precision <= DECIMAL256_MAX_PRECISION {
        Ok(DataType::Decimal256(precision, scale))
    } else {
        let what = format!("a decimal of {precision} digits is too wide; cast it to text");
        Err(QueryError::unsupported(path, what))
    }
}

/// Keys stay non-nullable: both Arrow and Parquet define them so.
fn canonical_map(entries: &Field, path: &str, depth: usize) -> Result<DataType, QueryError> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(QueryError::unsupported(path, "a map without keys and values"));
    };
    let [key, value] = fields.as_ref() else {
        return Err(QueryError::unsupported(path, "a map without keys and values"));
    };
    let key = canonical_type(key.data_type(), &join(path, KEY), depth)?;
    let value = canonical_type(value.data_type(), &join(path, VALUE), depth)?;
    Ok(DataType::Map(map_entries(key, value), false))
}

fn map_entries(key: DataType, value: DataType) -> FieldRef {
    let fields = Fields::from(vec![Field::new(KEY, key, false), Field::new(VALUE, value, true)]);
    Arc::new(Field::new(ENTRIES, DataType::Struct(fields), false))
}

/// Why a type cannot be stored, and what to do instead.
fn refusal(kind: &DataType) -> String {
    let remedy = match kind {
        DataType::Union(_, _) => "split it into one column for each of its types",
        DataType::Interval(_) => "store months, days and nanoseconds as three integer columns",
        DataType::Struct(_) => "a struct needs at least one field; drop the column",
        DataType::FixedSizeBinary(_) => "its width must be at least one byte; drop the column",
        _ => "cast it to another type",
    };
    format!("{kind} cannot be stored as Parquet; {remedy}")
}

/// `parent.name`, or `name` at the top.
pub(super) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}
