//! Which columns two schemas have in common, and what of them differs.
//!
//! Columns go by their names. Values are compared where both have a column in types that mean the
//! same, or of which one holds every value of both. A column whose types have nothing in common
//! went, and another of its name came. Nothing is read here.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Field, IntervalUnit, Schema, SchemaRef};

use super::align::matched;
use crate::error::QueryError;
use crate::layout::{canonical_schema, widens};

/// Types that may hold what neither of two types does alone, narrowest first.
const WIDER: [DataType; 6] = [
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::UInt64,
    DataType::Float32,
    DataType::Float64,
];

/// What became of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnChange {
    /// Only the second version has it.
    Added,
    /// Only the first version has it.
    Removed,
    /// It has another type.
    Retyped,
    /// It stands elsewhere among the columns that both have.
    Moved,
}

/// A column that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDiff {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub change: ColumnChange,
    /// Its type in the first version, as text, with `not null` where it has no nulls.
    pub a: Option<String>,
    /// Its type in the second version.
    pub b: Option<String>,
}

/// A column whose values are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Common {
    /// Where it stands in the first table.
    pub(super) a: usize,
    /// Where it stands in the second.
    pub(super) b: usize,
    /// Whether both store it in the same type, so that equal bytes are equal values.
    pub(super) is_stored_alike: bool,
}

/// What two schemas say of each other.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    /// The columns that differ: those that went, in their order, then those of the second version.
    pub(super) columns: Vec<ColumnDiff>,
    /// Those that are compared, in the order of the second version.
    pub(super) common: Vec<Common>,
    /// Their names and the types in which they are compared.
    pub(super) schema: SchemaRef,
}

/// Compares two schemas in the user's types.
pub(super) fn compared(a: &Schema, b: &Schema) -> Result<Compared, QueryError> {
    let (a_stored, b_stored) = (canonical_schema(a)?, canonical_schema(b)?);
    let places: HashMap<&String, usize> =
        a.fields().iter().enumerate().map(|(place, field)| (field.name(), place)).collect();
    let (mut common, mut fields) = (Vec::new(), Vec::new());
    for (place, field) in b.fields().iter().enumerate() {
        let Some(before) = places.get(field.name()) else { continue };
        let (was, is) = (a.field(*before), field.as_ref());
        let (was_stored, is_stored) = (a_stored.field(*before), b_stored.field(place));
        let kinds = [was_stored.data_type(), is_stored.data_type()];
        if let Some(kind) = common_type([was.data_type(), is.data_type()], kinds) {
            let is_stored_alike = was_stored.data_type() == is_stored.data_type();
            common.push(Common { a: *before, b: place, is_stored_alike });
            fields.push(Field::new(field.name(), kind, true));
        }
    }
    let columns = differing(a, b, &common);
    Ok(Compared { columns, common, schema: Arc::new(Schema::new(fields)) })
}

/// Says what differs, where the columns in `common` are the same but for type and place.
fn differing(a: &Schema, b: &Schema, common: &[Common]) -> Vec<ColumnDiff> {
    let gone = a.fields().iter().enumerate();
    let gone = gone.filter(|(place, _)| !common.iter().any(|both| both.a == *place));
    let mut columns: Vec<ColumnDiff> =
        gone.map(|(_, field)| one(field, ColumnChange::Removed, Some(field), None)).collect();
    let mut before: Vec<usize> = common.iter().map(|both| both.a).collect();
    let now = before.clone();
    before.sort_unstable();
    let stay: Vec<usize> = matched(&now, &before).into_iter().map(|(place, _)| place).collect();
    for (place, field) in b.fields().iter().enumerate() {
        let Some(at) = common.iter().position(|both| both.b == place) else {
            columns.push(one(field, ColumnChange::Added, None, Some(field)));
            continue;
        };
        let Some(was) = common.get(at).map(|both| a.field(both.a)) else { continue };
        let is_retyped =
            was.data_type() != field.data_type() || was.is_nullable() != field.is_nullable();
        if is_retyped {
            columns.push(one(field, ColumnChange::Retyped, Some(was), Some(field)));
        }
        if !stay.contains(&at) {
            columns.push(one(field, ColumnChange::Moved, Some(was), Some(field)));
        }
    }
    columns
}

fn one(named: &Field, change: ColumnChange, a: Option<&Field>, b: Option<&Field>) -> ColumnDiff {
    let told = |field: &Field| match field.is_nullable() {
        true => field.data_type().to_string(),
        false => format!("{} not null", field.data_type()),
    };
    ColumnDiff { name: named.name().clone(), change, a: a.map(told), b: b.map(told) }
}

/// Returns the type in which values of two types are compared, each given as the user's own and as
/// it is stored.
fn common_type(user: [&DataType; 2], stored: [&DataType; 2]) -> Option<DataType> {
    let [a, b] = stored;
    // Spans of time are stored as the numbers that they count, which mean nothing by themselves.
    if spans(user[0]) != spans(user[1]) {
        return None;
    }
    if a == b || holds(b, a) {
        return Some(b.clone());
    }
    if holds(a, b) {
        return Some(a.clone());
    }
    WIDER.into_iter().find(|wide| widens(a, wide) && widens(b, wide))
}

/// Says whether a type holds every value of another; of a column of nulls any does.
fn holds(wide: &DataType, kind: &DataType) -> bool {
    widens(kind, wide) || *kind == DataType::Null && can_cast_types(kind, wide)
}

/// Returns the types of spans of time that are in a type, in the order of its leaves; `None` for a
/// leaf of another kind.
fn spans(kind: &DataType) -> Vec<Option<DataType>> {
    match kind {
        DataType::Duration(_) | DataType::Interval(IntervalUnit::YearMonth) => {
            vec![Some(kind.clone())]
        }
        DataType::List(inside)
        | DataType::LargeList(inside)
        | DataType::ListView(inside)
        | DataType::LargeListView(inside)
        | DataType::FixedSizeList(inside, _)
        | DataType::Map(inside, _)
        | DataType::RunEndEncoded(_, inside) => spans(inside.data_type()),
        DataType::Struct(fields) => {
            fields.iter().flat_map(|field| spans(field.data_type())).collect()
        }
        DataType::Dictionary(_, values) => spans(values),
        _ => vec![None],
    }
}

#[cfg(test)]
mod tests;
