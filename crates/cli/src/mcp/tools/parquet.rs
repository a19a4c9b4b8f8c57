//! The tools on tables: store, retrieve, query, list.

use std::collections::BTreeMap;
use std::time::Duration;

use cidlake::{
    Error, ErrorKind, Format, GetOptions, Params, Source, SqlOptions, StoreMode, StoreRequest,
    filter_expression, no_progress,
};
use serde_json::{Map, Value, json};

use super::schema::{self, TIMEOUT_MS_MAX, choice, count, flag, input, output, text};
use super::{ListWindow, Spec};
use crate::mcp::arguments::Arguments;
use crate::mcp::caps::{Caps, Page, ROWS_MAX};
use crate::mcp::server::Context;
use crate::mcp::wire;

/// How long a retrieval may take unless the caller says otherwise, in milliseconds.
const RETRIEVE_TIMEOUT_MS_DEFAULT: u64 = 300_000;

const FILTERS: &str = r#"Conditions that must all hold: [["a", ">", 1], ["b", "in", [1, 2]]]; or
alternatives: [[["a", ">", 1]], [["b", "<", 2]]]. Operators: = != < <= > >=, in, not in, contains,
starts_with, ends_with, like, is null, is not null"#;

/// What a table can be read as.
const FORMATS_OUT: [&str; 3] = ["json", "csv", "parquet"];

pub(super) fn store_spec() -> Spec {
    let data = json!({
        "description": "The rows: the text of a JSON array of objects or of a CSV file with a \
                        header, or a list of objects; up to 60 MB, beyond that `cidlake store`",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}],
    });
    Spec {
        title: "Store a table",
        description: "Store rows as a new version of a dataset and return its CID, which depends \
                      on the rows alone. Earlier versions stay readable. Without a name the \
                      table is kept under its CID.",
        input: input(
            vec![
                ("data", data),
                ("format", choice("The format of data", &["json", "csv"])),
                ("name", text("The dataset: table or namespace.table, of a-z, 0-9, _ and -")),
                ("metadata", schema::any_object("Free words about the dataset")),
                ("append", flag("Whether to put the rows behind those the dataset has")),
                (
                    "partition_cols",
                    schema::texts(
                        "Columns whose values become folders (day=2026-01-31/…); without them \
                         those that the dataset has",
                    ),
                ),
            ],
            &["data", "format"],
        ),
        output: output(vec![
            ("cid", text("The CID of the content")),
            ("commit", text("The CID of this version")),
            ("name", text("The dataset, where it has a name")),
            ("storage_path", text("Where vfs_cat and vfs_info have it")),
            ("size_bytes", count("Bytes of the content")),
            ("is_partitioned", flag("Whether folders are named by values")),
            ("metadata", schema::any_object("Everything known of this version")),
            ("num_rows", count("Rows of the dataset")),
            ("num_columns", count("Its columns")),
            ("parts", count("Its Parquet files")),
            ("new_bytes", count("Bytes that were not here before")),
            ("unchanged", flag("Whether the dataset already was exactly this")),
        ]),
    }
}

pub(super) async fn store(context: &Context, mut arguments: Arguments) -> Result<Value, Error> {
    let format = match arguments.choice("format", &["json", "csv"])? {
        Some("csv") => Format::Csv,
        Some(_) => Format::Json,
        None => return Err(arguments.missing("format")),
    };
    let data = match (arguments.value("data"), format) {
        (Some(Value::String(text)), _) => text,
        (Some(list @ Value::Array(_)), Format::Json) => list.to_string(),
        (Some(_), _) => {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("data must be the text of a {format} file"),
            )
            .with_hint("for json a list of objects will do as well"));
        }
        (None, _) => return Err(arguments.missing("data")),
    };
    let request = StoreRequest {
        sources: vec![Source::Bytes { label: "data".to_owned(), data: data.into() }],
        name: arguments.text("name")?,
        mode: match arguments.flag("append")? {
            Some(true) => StoreMode::Append,
            _ => StoreMode::Overwrite,
        },
        // An empty list is what clients send who mean nothing by it.
        partition_by: arguments.texts("partition_cols")?.filter(|columns| !columns.is_empty()),
        metadata: words(arguments.object("metadata")?.unwrap_or_default()),
        input_format: Some(format),
        ..StoreRequest::default()
    };
    let stored = context.lake.store(request, no_progress()).await?;
    let shown = context.lake.describe(&stored.commit.to_string()).await?;
    Ok(wire::stored(&stored, &shown))
}

/// Returns metadata as the texts that a commit keeps: texts as they are, the rest as JSON.
fn words(metadata: Map<String, Value>) -> BTreeMap<String, String> {
    let words = metadata.into_iter().map(|(key, value)| match value {
        Value::String(text) => (key, text),
        other => (key, other.to_string()),
    });
    words.collect()
}

pub(super) fn retrieve_spec() -> Spec {
    let mut answer = vec![
        ("cid", text("The CID of the content")),
        ("commit", text("The CID of the version; absent for a file that is no dataset")),
        ("storage_path", text("Where the content is")),
        ("metadata", schema::any_object("Everything known of the table")),
        ("from_cache", flag("Whether every block came from memory")),
        ("total_rows", count("Rows before filters and limits, where known")),
        ("next_offset", count("Where to go on")),
        ("note", text("What the data is, where it is no text")),
        ("data", schema::data()),
    ];
    answer.extend(schema::about_rows());
    Spec {
        title: "Read a table",
        description: "Read a table by CID, name or version (users, users~1, users@CID), in \
                      stored order: chosen columns, rows that pass filters.",
        input: input(
            vec![
                ("cid", text("A CID, name or version")),
                ("columns", schema::texts("The columns, in this order; all when absent")),
                ("filters", filters_schema()),
                ("format", schema::choice_or("The format of data", &FORMATS_OUT, "json")),
                ("limit", schema::limit_rows()),
                ("offset", count("Rows to leave out before the first")),
                ("timeout_ms", schema::timeout()),
            ],
            &["cid"],
        ),
        output: output(answer),
    }
}

/// Filters as Parquet readers take them; a schema that ends, since not every client knows one
/// that refers to itself.
fn filters_schema() -> Value {
    let scalar = [
        json!({"type": "string"}),
        json!({"type": "number"}),
        json!({"type": "boolean"}),
        json!({"type": "null"}),
    ];
    let list_of = |inner: &[Value]| json!({"type": "array", "items": {"anyOf": inner}});
    let with = |list: Value| {
        let mut all = scalar.to_vec();
        all.push(list);
        all
    };
    let values = list_of(&scalar);
    let condition = list_of(&with(values));
    let condition_or_alternative = list_of(&with(condition));
    json!({
        "type": "array",
        "items": condition_or_alternative,
        "description": FILTERS,
    })
}

pub(super) async fn retrieve(context: &Context, mut arguments: Arguments) -> Result<Value, Error> {
    let reference = arguments.required_text("cid")?;
    let columns = arguments.texts("columns")?;
    let filters = arguments.value("filters").unwrap_or_default();
    let filter = filter_expression(&filters)?;
    let format = format_out(&mut arguments, &FORMATS_OUT)?;
    let offset = arguments.number("offset", 0..=u64::MAX)?.unwrap_or(0);
    let caps = Caps::new(arguments.number("limit", 1..=ROWS_MAX)?, format);
    let timeout_ms = arguments.number("timeout_ms", 1..=TIMEOUT_MS_MAX)?;

    let lake = &context.lake;
    let before = lake.cache_stats().await?;
    let shown = lake.describe(&reference).await?;
    // From here on the very version that was found, whatever others do to the name.
    let exact = shown.commit.unwrap_or(shown.cid).to_string();
    let total = shown.rows.filter(|_| filter.is_none());
    // One row more than may be returned tells whether there are more.
    let wanted = offset.saturating_add(caps.rows).saturating_add(1);
    let limit = Some(usize::try_from(wanted).unwrap_or(usize::MAX));
    let read = async {
        let rows = lake.get(&exact, GetOptions { columns, filter, limit }).await?;
        Page::take(rows, offset, caps, format).await
    };
    let page = within(timeout_ms.unwrap_or(RETRIEVE_TIMEOUT_MS_DEFAULT), read).await?;
    let after = lake.cache_stats().await?;

    let next = offset.saturating_add(page.rows());
    let more = page.cut().is_some();
    let mut answer = rows_answer(page, format)?;
    answer["cid"] = shown.cid.to_string().into();
    if let Some(commit) = shown.commit {
        answer["commit"] = commit.to_string().into();
    }
    answer["storage_path"] = wire::path_of(&shown).into();
    answer["metadata"] = wire::metadata(&shown, None);
    // Other calls may read from disk meanwhile, so that this is never true without being so.
    answer["from_cache"] = (after.misses == before.misses && after.hits > before.hits).into();
    if let Some(total) = total {
        answer["total_rows"] = total.into();
    }
    if more {
        answer["next_offset"] = next.into();
    }
    if format == Format::Parquet {
        answer["note"] = "data is a Parquet file in base64 with the rows of this answer; the \
                          whole table is at storage_path"
            .into();
    }
    Ok(answer)
}

pub(super) fn query_spec() -> Spec {
    let mut answer = vec![("query", text("The statement")), ("data", schema::data())];
    answer.extend(schema::about_rows());
    Spec {
        title: "Query with SQL",
        description: "Run one SQL query (SELECT, EXPLAIN, SHOW or DESCRIBE) over the datasets: \
                      each is a table under its name, the table datasets lists them (name, cid, \
                      rows, bytes, columns, updated, …), versions and CIDs go in double quotes. \
                      Table functions: at('t', '~1') is a version, history('t') the versions, \
                      parts('t') the parts, diff('t', '~1', '~0') the rows that differ. Tables of \
                      the lake itself: system.datasets, system.commits, system.parts, \
                      system.columns, system.blocks, system.pins, system.operations, system.wal, \
                      system.cache, system.metrics, system.settings. For more \
                      rows than fit use LIMIT and OFFSET. Where this server may write, CREATE TABLE \
                      … AS, INSERT and DELETE … WHERE each make one commit and return one row.",
        input: input(
            vec![
                ("sql", text("One statement")),
                ("params", schema::params()),
                ("format", schema::choice_or("The format of data", &["json", "csv"], "json")),
                ("limit", schema::limit_rows()),
                ("timeout_ms", schema::timeout()),
            ],
            &["sql"],
        ),
        output: output(answer),
    }
}

pub(super) async fn query(context: &Context, mut arguments: Arguments) -> Result<Value, Error> {
    let sql = arguments.required_text("sql")?;
    let format = format_out(&mut arguments, &["json", "csv"])?;
    let caps = Caps::new(arguments.number("limit", 1..=ROWS_MAX)?, format);
    let timeout_ms = arguments.number("timeout_ms", 1..=TIMEOUT_MS_MAX)?;
    let params = match arguments.value("params") {
        Some(values) => Params::from_json(&values)?,
        None => Params::default(),
    };
    let write = context.allow_write;
    let options = SqlOptions { timeout_ms, params, write, ..SqlOptions::default() };
    let rows = context.lake.sql(&sql, options).await?;
    let page = Page::take(rows, 0, caps, format).await?;
    let mut answer = rows_answer(page, format)?;
    answer["query"] = sql.into();
    Ok(answer)
}

pub(super) fn list_spec() -> Spec {
    let mut answer = vec![(
        "datasets",
        schema::objects(
            "cid, commit, name, size_bytes, num_rows, num_columns, is_partitioned, created_at, \
             metadata",
        ),
    )];
    answer.extend(schema::about_list());
    Spec {
        title: "List datasets",
        description: "List the datasets of the lake by name, each as its newest version.",
        input: input(schema::list_window().into(), &[]),
        output: output(answer),
    }
}

pub(super) async fn list(context: &Context, mut arguments: Arguments) -> Result<Value, Error> {
    let window = ListWindow::take(&mut arguments)?;
    let all = context.lake.datasets().await?;
    let entries = window.of(&all).iter().map(wire::dataset).collect();
    Ok(window.answer("datasets", entries, all.len()))
}

fn format_out(arguments: &mut Arguments, choices: &[&'static str]) -> Result<Format, Error> {
    Ok(match arguments.choice("format", choices)? {
        Some("csv") => Format::Csv,
        Some("parquet") => Format::Parquet,
        _ => Format::Json,
    })
}

/// Returns the answer of rows: the data and what a reader must know of it.
fn rows_answer(page: Page, format: Format) -> Result<Value, Error> {
    let (caps, cut) = (page.caps(), page.cut());
    let mut answer = json!({
        "success": true,
        "format": format.name(),
        "num_rows": page.rows(),
        "columns": wire::columns(page.schema()),
        "truncated": cut.is_some(),
        "row_cap": caps.rows,
        "byte_cap": caps.bytes,
    });
    if let Some(cut) = cut {
        answer["truncated_by"] = cut.word().into();
    }
    answer["data"] = page.into_data()?;
    Ok(answer)
}

/// Runs `work` for at most `timeout_ms`; what it did not finish is dropped and stops.
async fn within<T>(
    timeout_ms: u64,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let limit = Duration::from_millis(timeout_ms);
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Unavailable, format!("the read ran longer than {timeout_ms} ms"))
            .with_hint("narrow it with columns and filters, or allow more time (timeout_ms)"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::words;

    #[test]
    fn metadata_becomes_words() {
        let metadata = json!({"source": "user_db", "rows": 2, "tags": ["a", "b"], "none": null});
        let words = words(metadata.as_object().unwrap().clone());
        let words: Vec<(&str, &str)> =
            words.iter().map(|(key, word)| (key.as_str(), word.as_str())).collect();
        let expected =
            [("none", "null"), ("rows", "2"), ("source", "user_db"), ("tags", r#"["a","b"]"#)];
        assert_eq!(words, expected);
    }
}
