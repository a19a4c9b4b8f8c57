//! The words of SQL that the shell completes. What SQL understands is for the engine to know: a word
//! that is not here works as well.

/// Keywords, sorted.
pub(super) const KEYWORDS: [&str; 74] = [
    "ALL",
    "ANALYZE",
    "AND",
    "ANY",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CREATE",
    "CROSS",
    "CURRENT",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "FALSE",
    "FILTER",
    "FOLLOWING",
    "FOR",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IF",
    "ILIKE",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NATURAL",
    "NOT",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PRECEDING",
    "RECURSIVE",
    "REPLACE",
    "RIGHT",
    "ROW",
    "ROWS",
    "SELECT",
    "SHOW",
    "TABLE",
    "THEN",
    "TRUE",
    "UNBOUNDED",
    "UNION",
    "UNNEST",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
];

/// Keywords that are names as well, sorted.
const FREE: [&str; 8] =
    ["CURRENT", "FILTER", "FOLLOWING", "NULLS", "PRECEDING", "REPLACE", "ROW", "ROWS"];

/// Functions, as they are called.
pub(super) const FUNCTIONS: [&str; 20] = [
    "ABS(",
    "ARRAY_AGG(",
    "AVG(",
    "COALESCE(",
    "COUNT(",
    "DATE_PART(",
    "DATE_TRUNC(",
    "LENGTH(",
    "LOWER(",
    "MAX(",
    "MEDIAN(",
    "MIN(",
    "NOW(",
    "NULLIF(",
    "ROUND(",
    "ROW_NUMBER(",
    "STDDEV(",
    "SUBSTR(",
    "SUM(",
    "UPPER(",
];

/// Functions that return tables.
pub(super) const TABLE_FUNCTIONS: [&str; 4] = ["at(", "diff(", "history(", "parts("];

/// Tables of the lake itself.
pub(super) const SYSTEM_TABLES: [&str; 11] = [
    "system.blocks",
    "system.cache",
    "system.columns",
    "system.commits",
    "system.datasets",
    "system.metrics",
    "system.operations",
    "system.parts",
    "system.pins",
    "system.settings",
    "system.wal",
];

/// Says whether a name would be read as a keyword, in whatever case: it needs quotes.
pub(super) fn is_keyword(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    KEYWORDS.binary_search(&name.as_str()).is_ok() && !FREE.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::{FREE, FUNCTIONS, KEYWORDS, SYSTEM_TABLES, TABLE_FUNCTIONS, is_keyword};

    #[test]
    fn words_are_sorted_and_there_once() {
        for words in [&KEYWORDS[..], &FREE, &FUNCTIONS, &SYSTEM_TABLES, &TABLE_FUNCTIONS] {
            assert!(words.is_sorted_by(|a, b| a < b), "{words:?}");
        }
        assert!(FREE.iter().all(|word| KEYWORDS.contains(word)));
    }

    #[test]
    fn only_what_would_be_misread_needs_quotes() {
        for (name, expected) in
            [("order", true), ("ORDER", true), ("orders", false), ("rows", false)]
        {
            assert_eq!(is_keyword(name), expected, "{name}");
        }
    }
}
