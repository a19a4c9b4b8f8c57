//! What a change of a table's columns says, turned into a plan for its parts.
//!
//! Columns are named as they are before the change. Types and default values are written in SQL
//! or as Arrow writes its types, and the engine that runs statements reads them. Parts are
//! changed in [`layout`](crate::layout), one by one; nothing is written here.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr as _;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use cidlake_catalog::Part;
use futures::StreamExt as _;

use crate::engine::Engine;
use crate::error::QueryError;
use crate::layout::{Alteration, ColumnSource, column_index};
use crate::params::Params;
use crate::part_files::OpenFile;
use crate::resolve::{Resolve, Resolved};
use crate::table::not_parquet;
use crate::watch::GoOn;

/// A change of a table's columns. What is dropped, renamed and widened goes by its name before.
#[derive(Clone, Debug, Default)]
pub struct ColumnChanges {
    /// Columns to add behind all others: a name, a type, and `DEFAULT` with a value or nothing.
    pub add: Vec<String>,
    /// Columns to drop.
    pub drop: Vec<String>,
    /// Columns to rename, each with its new name.
    pub rename: Vec<(String, String)>,
    /// Columns to widen: a name and a type.
    pub widen: Vec<String>,
}

/// A change of a table's columns with everything looked up.
#[derive(Clone, Debug)]
pub struct ColumnPlan {
    /// The new schema, in the user's types.
    pub schema: SchemaRef,
    /// What becomes of each part.
    pub alteration: Alteration,
    /// The new name of each column that stays, by its old one.
    pub names: BTreeMap<String, String>,
}

/// A column that was written out: its name, its type, its value in every row.
struct Written {
    name: String,
    kind: DataType,
    value: ArrayRef,
}

impl Engine {
    /// Plans a change of the columns of a table, of which some are folders.
    ///
    /// # Errors
    /// `UnknownColumn` for one that is not there, `BadInput` for a name that is taken, for a column
    /// named twice and where none is left, `Unsupported` for a type that is not wider, `Sql` for a
    /// type or a value that cannot be read.
    pub async fn plan_columns(
        &self,
        schema: &SchemaRef,
        partition_columns: &[String],
        changes: &ColumnChanges,
    ) -> Result<ColumnPlan, QueryError> {
        let mut wider = BTreeMap::new();
        for text in &changes.widen {
            let Written { name, kind, .. } = self.written(text).await?;
            column_index(schema, &name)?;
            if wider.insert(name.clone(), kind).is_some() {
                return Err(refused(format!("column `{name}` is widened twice")));
            }
        }
        let mut plan = stay(schema, changes, &wider)?;
        for text in &changes.add {
            let Written { name, kind, value } = self.written(text).await?;
            plan.fields.push(Arc::new(Field::new(name, kind, true)));
            plan.sources.push(ColumnSource::Constant(value));
        }
        let mut taken = HashSet::new();
        if let Some(twice) = plan.fields.iter().find(|field| !taken.insert(field.name().clone())) {
            let message =
                format!("there is a column `{}` already; choose another name", twice.name());
            return Err(refused(message));
        }
        let metadata = schema.metadata().clone();
        let new = Arc::new(Schema::new_with_metadata(plan.fields, metadata));
        let alteration = Alteration::new(schema, &new, plan.sources, partition_columns)?;
        Ok(ColumnPlan { schema: new, alteration, names: plan.names })
    }

    /// Returns all bytes of a part's file.
    ///
    /// # Errors
    /// When blocks of it cannot be had.
    pub async fn part_file(&self, part: &Part) -> Result<Bytes, QueryError> {
        let files = self.files();
        let open = files.open(&part.cid).await;
        let OpenFile { file, .. } = open.map_err(|error| not_parquet(&part.cid, error))?;
        Ok(file.read(files.blocks().as_ref(), 0..file.len()).await?)
    }

    /// Reads `NAME TYPE` or `NAME TYPE DEFAULT value`. The value is worked out once.
    async fn written(&self, text: &str) -> Result<Written, QueryError> {
        let (name, rest) = split_name(text)?;
        let (kind, value) = split_default(rest);
        if kind.is_empty() || value.is_empty() {
            return Err(refused(format!("`{text}` is no column; write NAME TYPE [DEFAULT value]")));
        }
        let arrow = DataType::from_str(kind).ok();
        let sql = match &arrow {
            Some(_) => format!("SELECT arrow_cast({value}, '{}')", kind.replace('\'', "''")),
            None => format!("SELECT CAST({value} AS {kind})"),
        };
        let go_on: GoOn = Arc::new(|| Ok(()));
        let mut rows = self.sql(&sql, &Params::default(), &NoTables, &go_on).await?;
        let batch = rows.stream.next().await.transpose().map_err(QueryError::from)?;
        let column = batch.filter(|batch| (batch.num_rows(), batch.num_columns()) == (1, 1));
        let column = column.and_then(|batch| batch.columns().first().cloned());
        let column =
            column.ok_or_else(|| refused(format!("`{value}` is not one value for a column")))?;
        let kind = arrow.unwrap_or_else(|| stored_kind(column.data_type()));
        let value =
            cast(&column, &kind).map_err(|error| QueryError::from_arrow("the column", error))?;
        Ok(Written { name, kind, value })
    }
}

/// Where the value of a column that is written out begins.
const DEFAULT: &str = " default ";

/// Splits a type and the value behind the first [`DEFAULT`], in any case; null where there is none.
fn split_default(text: &str) -> (&str, &str) {
    let at = text.to_ascii_lowercase().find(DEFAULT);
    let split = at.and_then(|at| Some((text.get(..at)?, text.get(at + DEFAULT.len()..)?)));
    let (kind, value) = split.unwrap_or((text, "NULL"));
    (kind.trim(), value.trim())
}

/// What the engine computes with as a view is stored as plain text or bytes.
fn stored_kind(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}

/// Splits the name off: a word, or anything in double quotes, which are doubled inside.
fn split_name(text: &str) -> Result<(String, &str), QueryError> {
    let text = text.trim();
    let wrong = || refused(format!("`{text}` is no column; write NAME TYPE [DEFAULT value]"));
    let Some(quoted) = text.strip_prefix('"') else {
        let (name, rest) = text.split_once(char::is_whitespace).ok_or_else(wrong)?;
        return Ok((name.to_owned(), rest.trim()));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (inside, behind) = rest.split_once('"').ok_or_else(wrong)?;
        name.push_str(inside);
        match behind.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None if name.is_empty() => return Err(wrong()),
            None => return Ok((name, behind.trim())),
        }
    }
}

/// The columns that stay, in their order.
#[derive(Default)]
struct Staying {
    fields: Vec<FieldRef>,
    sources: Vec<ColumnSource>,
    names: BTreeMap<String, String>,
}

fn stay(
    schema: &SchemaRef,
    changes: &ColumnChanges,
    wider: &BTreeMap<String, DataType>,
) -> Result<Staying, QueryError> {
    for name in changes.drop.iter().chain(changes.rename.iter().map(|(name, _)| name)) {
        column_index(schema, name)?;
    }
    let dropped: HashSet<&String> = changes.drop.iter().collect();
    let renamed: BTreeMap<&String, &String> =
        changes.rename.iter().map(|(name, new)| (name, new)).collect();
    if renamed.len() < changes.rename.len() {
        return Err(refused("a column is renamed twice"));
    }
    if let Some(name) =
        renamed.keys().copied().chain(wider.keys()).find(|name| dropped.contains(name))
    {
        return Err(refused(format!("column `{name}` is dropped and changed at once")));
    }
    let mut staying = Staying::default();
    for (place, field) in schema.fields().iter().enumerate() {
        if dropped.contains(field.name()) {
            continue;
        }
        let name = renamed.get(field.name()).map_or(field.name(), |name| *name);
        let kind = wider.get(field.name()).filter(|kind| *kind != field.data_type());
        let mut new = field.as_ref().clone().with_name(name.clone());
        if let Some(kind) = kind {
            new = new.with_data_type(kind.clone());
        }
        staying.sources.push(match kind {
            Some(_) => ColumnSource::Widened(place),
            None => ColumnSource::Kept(place),
        });
        staying.fields.push(Arc::new(new));
        staying.names.insert(field.name().clone(), name.clone());
    }
    Ok(staying)
}

fn refused(message: impl std::fmt::Display) -> QueryError {
    QueryError::bad_input("the change", "", message)
}

/// A value of a column reads no table.
struct NoTables;

#[async_trait]
impl Resolve for NoTables {
    async fn resolve(&self, _: &str) -> Result<Option<Resolved>, QueryError> {
        Ok(None)
    }
}
