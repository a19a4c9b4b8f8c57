//! Which types hold every value of another. Converting values is not here.

use arrow::datatypes::{DataType, TimeUnit};

/// Says whether a column of type `from` can become one of type `to` without losing anything, both
/// in canonical form: integers of more bits, floating-point numbers of more bits or that hold every
/// integer, decimals with no fewer digits on either side of the point, days as moments, moments in
/// finer units.
#[must_use]
pub fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    match (from, to) {
        (
            Decimal128(digits, scale) | Decimal256(digits, scale),
            Decimal128(to_digits, to_scale) | Decimal256(to_digits, to_scale),
        ) => {
            let whole = |digits: &u8, scale: &i8| i16::from(*digits) - i16::from(*scale);
            to_scale >= scale && whole(to_digits, to_scale) >= whole(digits, scale) && from != to
        }
        (Timestamp(unit, zone), Timestamp(to_unit, to_zone)) => zone == to_zone && to_unit > unit,
        (Date32, Timestamp(unit, None)) => *unit != TimeUnit::Second,
        (Float16, Float32 | Float64) | (Float32, Float64) => true,
        _ => match (integer(from), integer(to), to) {
            (Some((signed, bits)), Some((to_signed, to_bits)), _) => {
                to_bits > bits && (to_signed || !signed)
            }
            (Some((_, bits)), None, Float64) => bits <= 32,
            (Some((_, bits)), None, Float32) => bits <= 16,
            _ => false,
        },
    }
}

/// Whether an integer type has a sign, and its bits.
fn integer(kind: &DataType) -> Option<(bool, u32)> {
    Some(match kind {
        DataType::Int8 => (true, 8),
        DataType::Int16 => (true, 16),
        DataType::Int32 => (true, 32),
        DataType::Int64 => (true, 64),
        DataType::UInt8 => (false, 8),
        DataType::UInt16 => (false, 16),
        DataType::UInt32 => (false, 32),
        DataType::UInt64 => (false, 64),
        _ => return None,
    })
}
