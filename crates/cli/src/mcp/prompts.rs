//! Prompts: ways to begin that a person picks in a client, with what the lake knows filled in.

use cidlake::{Lake, Shown};
use rmcp::model::{
    ErrorData, GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role,
};
use serde_json::Value;

use super::wire;

/// Columns that a prompt lists of one dataset.
const COLUMNS_MAX: usize = 200;
/// Datasets that a prompt describes with their columns.
const DATASETS_MAX: usize = 30;

const EXPLORE: &str = "explore_dataset";
const PROFILE: &str = "profile_dataset";
const WRITE_SQL: &str = "write_sql";

/// Returns all prompts.
pub(super) fn all() -> Vec<Prompt> {
    let name = || argument("name", "A dataset's name, a version of it, or a CID");
    vec![
        Prompt::new(EXPLORE, Some("Find out what a dataset is about"), Some(vec![name()]))
            .with_title("Explore a dataset"),
        Prompt::new(PROFILE, Some("Check a dataset's columns for what is odd"), Some(vec![name()]))
            .with_title("Profile a dataset"),
        Prompt::new(
            WRITE_SQL,
            Some("Answer a question with SQL over the lake"),
            Some(vec![argument("question", "What you want to know")]),
        )
        .with_title("Answer with SQL"),
    ]
}

/// Returns the messages of a prompt.
pub(super) async fn get(
    lake: &Lake,
    name: &str,
    arguments: &JsonObject,
) -> Result<GetPromptResult, ErrorData> {
    let text = match name {
        EXPLORE => explore(&shown(lake, arguments).await?),
        PROFILE => profile(&shown(lake, arguments).await?),
        WRITE_SQL => write_sql(lake, required(arguments, "question")?).await?,
        other => return Err(ErrorData::invalid_params(format!("Unknown prompt: {other}"), None)),
    };
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]))
}

fn argument(name: &str, description: &str) -> PromptArgument {
    PromptArgument::new(name).with_description(description).with_required(true)
}

fn required<'a>(arguments: &'a JsonObject, name: &str) -> Result<&'a str, ErrorData> {
    arguments
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| ErrorData::invalid_params(format!("the prompt needs the text {name}"), None))
}

async fn shown(lake: &Lake, arguments: &JsonObject) -> Result<Shown, ErrorData> {
    let name = required(arguments, "name")?;
    let mut shown = lake.describe(name).await.map_err(|error| wire::error_data(&error))?;
    // As the caller wrote it: a version is queried under the same words.
    shown.name = Some(name.to_owned());
    Ok(shown)
}

fn explore(shown: &Shown) -> String {
    format!(
        "Explore this dataset and tell me what it is about.\n\n{}\n\
         Look at some rows (parquet_retrieve_dataframe with a small limit), then ask \
         parquet_query_datasets what ranges, groups and totals matter. Tell me what one row \
         stands for, what the columns mean, which period and which things it covers, and three \
         questions that it can answer, with the SQL for each.",
        table(shown)
    )
}

fn profile(shown: &Shown) -> String {
    format!(
        "Profile this dataset and tell me what is odd in it.\n\n{}\n\
         With parquet_query_datasets find for each column: nulls, distinct values, least and \
         greatest value, for numbers mean and quantiles, for texts the commonest values and the \
         longest. Aggregate; do not fetch all rows. Report what looks wrong: columns that are \
         constant or mostly null, duplicates of what looks like a key, values out of range, \
         mixed spellings, gaps in time.",
        table(shown)
    )
}

async fn write_sql(lake: &Lake, question: &str) -> Result<String, ErrorData> {
    let failed = |error| wire::error_data(&error);
    let all = lake.datasets().await.map_err(failed)?;
    let mut tables = String::new();
    for info in all.iter().take(DATASETS_MAX) {
        let mut shown = lake.describe(&info.commit.to_string()).await.map_err(failed)?;
        shown.name = Some(info.name.clone());
        tables.push_str(&table(&shown));
        tables.push('\n');
    }
    if all.len() > DATASETS_MAX {
        let more = all.len() - DATASETS_MAX;
        tables.push_str(&format!("And {more} more: parquet_list_datasets lists them all.\n\n"));
    }
    if all.is_empty() {
        tables.push_str("The lake is empty.\n\n");
    }
    Ok(format!(
        "Answer this question with SQL over the lake: {question}\n\n{tables}\
         Questions about the lake itself are for its own tables: system.datasets, commits, parts, \
         columns, blocks, pins, operations, wal, cache, metrics and settings.\n\
         Write one SELECT in the dialect of DataFusion (near PostgreSQL), run it with \
         parquet_query_datasets, look whether the answer is truncated, and give me the answer \
         and the statement. If the data cannot answer the question, say what is missing."
    ))
}

/// Describes a table in words: how SQL calls it, how big it is, its columns and their bounds.
fn table(shown: &Shown) -> String {
    let name = shown.name.clone().unwrap_or_else(|| shown.cid.to_string());
    let mut text = match shown.rows {
        Some(rows) => format!("Table {}, {rows} rows:\n", quoted(&name)),
        None => format!("File {}:\n", quoted(&name)),
    };
    for column in shown.columns.iter().take(COLUMNS_MAX) {
        text.push_str(&format!("- {} {}", quoted(&column.name), column.kind));
        if let (Some(min), Some(max)) = (&column.min, &column.max) {
            text.push_str(&format!(", {} to {}", short(min), short(max)));
        }
        if let Some(nulls) = column.nulls.filter(|nulls| *nulls > 0) {
            text.push_str(&format!(", {nulls} null"));
        }
        text.push('\n');
    }
    if shown.columns.len() > COLUMNS_MAX {
        text.push_str(&format!("- and {} more\n", shown.columns.len() - COLUMNS_MAX));
    }
    text
}

/// Writes a name as SQL wants it: in quotes unless it is a plain lower-case word. The dot of
/// `namespace.table` stays outside.
fn quoted(name: &str) -> String {
    let plain = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    if name.split('.').all(plain) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn short(value: &str) -> String {
    const CHARS_MAX: usize = 40;
    match value.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{quoted, short};

    #[test]
    fn names_are_written_as_sql_reads_them() {
        let table = [
            ("users", "users"),
            ("sales.orders_2", "sales.orders_2"),
            ("my-data", "\"my-data\""),
            ("users~1", "\"users~1\""),
            ("Total \"net\"", "\"Total \"\"net\"\"\""),
            ("2024", "\"2024\""),
        ];
        for (name, expected) in table {
            assert_eq!(quoted(name), expected);
        }
        assert_eq!(short("short"), "short");
        assert_eq!(short(&"ü".repeat(50)), format!("{}…", "ü".repeat(40)));
    }
}
