//! Row filters as programs write them, turned into one SQL condition.
//!
//! The shape is the one that Parquet readers made common: a list of `[column, operator, value]`
//! that must all hold, or a list of such lists of which one must hold. Columns are always quoted
//! and values always written as literals, so nothing that is passed in is read as SQL.

use serde_json::Value;

use crate::error::Error;

/// Conditions in one filter, over all its alternatives.
const CONDITIONS_MAX: usize = 1_000;
/// Values in one `in` list.
const IN_VALUES_MAX: usize = 10_000;

const SHAPE_HINT: &str = r#"write [["column", ">", 1], ["other", "in", ["a", "b"]]]; operators: = != < <= > >= in, not in, contains, starts_with, ends_with, like, is null, is not null"#;

/// Turns `filters` into one SQL expression; `None` when there is nothing to hold.
///
/// # Errors
/// `Invalid` names the condition that cannot be understood.
pub fn filter_expression(filters: &Value) -> Result<Option<String>, Error> {
    let list = match filters {
        Value::Null => return Ok(None),
        Value::Array(list) if list.is_empty() => return Ok(None),
        Value::Array(list) => list,
        other => return Err(bad(other, "filters are a list")),
    };
    if is_condition(filters) {
        return conjunction(std::slice::from_ref(filters)).map(Some);
    }
    if list.iter().all(is_condition) {
        return conjunction(list).map(Some);
    }
    let mut alternatives = Vec::with_capacity(list.len());
    let mut conditions = 0;
    for alternative in list {
        let Value::Array(all) = alternative else {
            return Err(bad(alternative, "conditions and lists of conditions cannot be mixed"));
        };
        conditions += all.len();
        if conditions > CONDITIONS_MAX {
            return Err(too_many(CONDITIONS_MAX, "conditions"));
        }
        alternatives.push(format!("({})", conjunction(all)?));
    }
    Ok(Some(alternatives.join(" OR ")))
}

/// Whether `value` is `[column, operator]` or `[column, operator, value]`.
fn is_condition(value: &Value) -> bool {
    matches!(
        value.as_array().map(Vec::as_slice),
        Some([Value::String(_), Value::String(_)] | [Value::String(_), Value::String(_), _])
    )
}

fn conjunction(conditions: &[Value]) -> Result<String, Error> {
    if conditions.is_empty() {
        return Err(Error::invalid("an alternative of the filters is empty").with_hint(SHAPE_HINT));
    }
    if conditions.len() > CONDITIONS_MAX {
        return Err(too_many(CONDITIONS_MAX, "conditions"));
    }
    let parts: Vec<String> = conditions.iter().map(condition).collect::<Result<_, _>>()?;
    Ok(parts.join(" AND "))
}

fn condition(value: &Value) -> Result<String, Error> {
    let (column, operator, operand) = match value.as_array().map(Vec::as_slice) {
        Some([Value::String(column), Value::String(operator)]) => (column, operator, None),
        Some([Value::String(column), Value::String(operator), operand]) => {
            (column, operator, Some(operand))
        }
        _ => return Err(bad(value, "a condition is [column, operator, value]")),
    };
    let column = quoted(column);
    let operator = operator.trim().to_ascii_lowercase().replace('_', " ");
    let unary = match operator.as_str() {
        "is null" => Some(format!("{column} IS NULL")),
        "is not null" => Some(format!("{column} IS NOT NULL")),
        _ => None,
    };
    if let Some(unary) = unary {
        return Ok(unary);
    }
    let operand = operand.ok_or_else(|| bad(value, "a value is missing"))?;
    match operator.as_str() {
        "=" | "==" if operand.is_null() => Ok(format!("{column} IS NULL")),
        "!=" | "<>" if operand.is_null() => Ok(format!("{column} IS NOT NULL")),
        "=" | "==" => Ok(format!("{column} = {}", literal(operand)?)),
        "!=" | "<>" => Ok(format!("{column} != {}", literal(operand)?)),
        "<" | "<=" | ">" | ">=" => Ok(format!("{column} {operator} {}", literal(operand)?)),
        "in" => member(&column, "IN", operand),
        "not in" => member(&column, "NOT IN", operand),
        "like" => Ok(format!("{column} LIKE {}", text(operand)?)),
        "contains" => Ok(format!("contains({column}, {})", text(operand)?)),
        "starts with" => Ok(format!("starts_with({column}, {})", text(operand)?)),
        "ends with" => Ok(format!("ends_with({column}, {})", text(operand)?)),
        _ => Err(bad(value, "the operator is not known")),
    }
}

fn member(column: &str, operator: &str, values: &Value) -> Result<String, Error> {
    let Value::Array(values) = values else {
        return Err(bad(values, "`in` takes a list of values"));
    };
    if values.len() > IN_VALUES_MAX {
        return Err(too_many(IN_VALUES_MAX, "values in a list"));
    }
    if values.is_empty() {
        // Nothing is in an empty list, and everything is outside of it.
        return Ok(if operator == "IN" { "false".to_owned() } else { "true".to_owned() });
    }
    let values: Vec<String> = values.iter().map(literal).collect::<Result<_, _>>()?;
    Ok(format!("{column} {operator} ({})", values.join(", ")))
}

fn literal(value: &Value) -> Result<String, Error> {
    match value {
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(_) => text(value),
        other => Err(bad(other, "a value is a number, a text, true or false")),
    }
}

fn text(value: &Value) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(format!("'{}'", text.replace('\'', "''"))),
        other => Err(bad(other, "this operator takes a text")),
    }
}

fn quoted(column: &str) -> String {
    format!("\"{}\"", column.replace('"', "\"\""))
}

fn bad(value: &Value, why: &str) -> Error {
    let mut shown: String = value.to_string().chars().take(80).collect();
    if shown.len() < value.to_string().len() {
        shown.push('…');
    }
    Error::invalid(format!("the filter {shown} cannot be understood: {why}")).with_hint(SHAPE_HINT)
}

fn too_many(most: usize, what: &str) -> Error {
    Error::invalid(format!("the filters have more than {most} {what}"))
        .with_hint("write the query in SQL, or join with a table of the values")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::filter_expression;

    #[test]
    fn filters_become_conditions() {
        let table = [
            (json!(null), None),
            (json!([]), None),
            (json!([["a", ">", 1]]), Some(r#""a" > 1"#)),
            (json!(["a", ">", 1]), Some(r#""a" > 1"#)),
            (
                json!([["a", "==", "it's"], ["b", "in", [1, 2]]]),
                Some(r#""a" = 'it''s' AND "b" IN (1, 2)"#),
            ),
            (
                json!([[["a", "<", 1.5]], [["b", "=", true], ["c", "is_null"]]]),
                Some(r#"("a" < 1.5) OR ("b" = true AND "c" IS NULL)"#),
            ),
            (json!([["a", "not in", []]]), Some("true")),
            (json!([["a", "in", []]]), Some("false")),
            (json!([["a", "!=", null]]), Some(r#""a" IS NOT NULL"#)),
            (json!([["a\"b", "starts_with", "x"]]), Some(r#"starts_with("a""b", 'x')"#)),
        ];
        for (filters, expected) in table {
            assert_eq!(filter_expression(&filters).unwrap().as_deref(), expected, "{filters}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_with_its_text() {
        let table = [
            json!("a > 1"),
            json!([["a", "~", 1]]),
            json!([["a", ">"]]),
            json!([["a", ">", {}]]),
            json!([["a", "in", 1]]),
            json!([["a", "contains", 1]]),
            json!([[["a", ">", 1]], "b"]),
            json!([[]]),
        ];
        for filters in table {
            let error = filter_expression(&filters).unwrap_err();
            assert!(error.hint().is_some(), "{filters}: {error}");
        }
    }
}
