//! Partition columns: columns whose values are folders of a table's content, as Hive names them, and
//! are in no file.
//!
//! All rows of a part have the same values in them. A record of the part says which, as text; a
//! [folder](folder) is called `column=value`. Which rows come into which part is decided by
//! [`Grouping`] and by where [row groups](super::RowGroups) end.

mod folder;
mod grouping;
mod runs;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray, UInt64Array,
    new_null_array,
};
use arrow::compute::{cast_with_options, take};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use cidlake_catalog::{ColumnStats, Part, Scalar};

pub use self::grouping::Grouping;
pub(super) use self::runs::Partition;

use super::canonical::canonical_schema;
use super::convert::CHECKED;
use super::part::{EncodedPart, encode_part};
use super::row_groups::RowGroup;
use super::schema::column_index;
use crate::error::{QueryError, arrow_message};

/// Longer text is no bound in a record of a part.
const BOUND_BYTES_MAX: usize = 64;

/// The value of each partition column of a part, in their order; `None` is null.
pub type PartitionValues = Vec<Option<String>>;

/// Which columns of a table are folders, and which are in the files of its parts.
#[derive(Clone, Debug)]
pub struct Partitioning {
    /// All columns, in canonical types.
    schema: SchemaRef,
    /// Where the partition columns stand, in the order of folders from the top down.
    folders: Vec<usize>,
    /// Where the others stand, in the order of the table.
    in_files: Vec<usize>,
    /// The others, in canonical types.
    file_schema: SchemaRef,
}

impl Partitioning {
    /// Takes the columns called `names` of a table of `user_schema` as folders; without any, all
    /// columns are in files.
    ///
    /// # Errors
    /// Those of [`canonical_schema`]; `UnknownColumn` for one that is not there, `Unsupported` for
    /// one whose values cannot name folders, `BadInput` where one is named twice or none is left.
    pub fn new(user_schema: &Schema, names: &[String]) -> Result<Self, QueryError> {
        let schema = canonical_schema(user_schema)?;
        let folders = names.iter().map(|name| column_index(&schema, name));
        let folders = folders.collect::<Result<Vec<usize>, QueryError>>()?;
        let bad = |message| QueryError::bad_input("the partition columns", "", message);
        for (place, index) in folders.iter().enumerate() {
            let field = user_schema.field(*index);
            if folders.iter().take(place).any(|before| before == index) {
                return Err(bad(format!("`{}` is named twice", field.name())));
            }
            if !names_folders(field.data_type()) {
                let what = format!(
                    "{} cannot name folders; partition by text, whole numbers, booleans, Date32 or \
                     Timestamp",
                    field.data_type()
                );
                return Err(QueryError::unsupported(field.name(), what));
            }
        }
        let in_files: Vec<usize> =
            (0..schema.fields().len()).filter(|index| !folders.contains(index)).collect();
        if in_files.is_empty() {
            return Err(bad(
                "they are all columns of the table; its files need at least one other".to_owned(),
            ));
        }
        let file_schema = Arc::new(schema.project(&in_files).map_err(QueryError::internal)?);
        Ok(Self { schema, folders, in_files, file_schema })
    }

    /// Says whether any column is a folder.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        !self.folders.is_empty()
    }

    /// Returns all columns, in canonical types.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the columns of the files, in canonical types.
    #[must_use]
    pub fn file_schema(&self) -> &SchemaRef {
        &self.file_schema
    }

    /// Returns where the columns of the files stand in the table.
    #[must_use]
    pub fn in_files(&self) -> &[usize] {
        &self.in_files
    }

    /// Returns where the partition columns stand in the table, in the order of folders.
    #[must_use]
    pub fn folders(&self) -> &[usize] {
        &self.folders
    }

    /// Returns where a column of the table stands in its files; `None` for a partition column.
    #[must_use]
    pub fn place_in_files(&self, column: usize) -> Option<usize> {
        self.in_files.binary_search(&column).ok()
    }

    /// Returns the values of one row of all columns in canonical types.
    ///
    /// # Errors
    /// `Unsupported` for a value that names no folder.
    pub fn values(&self, rows: &RecordBatch, row: usize) -> Result<PartitionValues, QueryError> {
        let columns = self.folders.iter().filter_map(|index| rows.columns().get(*index));
        let one: Vec<ArrayRef> = columns.map(|column| column.slice(row, 1)).collect();
        self.texts(&one)
    }

    /// Returns the values of partition columns of one row each as text, which reads back as them.
    fn texts(&self, columns: &[ArrayRef]) -> Result<PartitionValues, QueryError> {
        let texts = self.folders.iter().zip(columns).map(|(index, column)| {
            let field = self.schema.field(*index);
            let text = text_of(column, field.data_type()).map_err(|_| {
                let what = "it has a value that cannot name a folder; choose another column";
                QueryError::unsupported(field.name(), what)
            })?;
            folder::check(field.name(), text.as_deref())?;
            Ok(text)
        });
        texts.collect()
    }

    /// Returns the names of the folders that parts of `values` are in, from the top down.
    #[must_use]
    pub fn folder_names(&self, values: &[Option<String>]) -> Vec<String> {
        let named = self.folders.iter().zip(values);
        named
            .map(|(index, value)| folder::name(self.schema.field(*index).name(), value.as_deref()))
            .collect()
    }

    /// Refuses values of parts whose folders could not be on a disk, as they are under other names of
    /// columns.
    ///
    /// # Errors
    /// `Unsupported` names the column.
    pub(super) fn check_names(&self, values: &[Option<String>]) -> Result<(), QueryError> {
        self.folders.iter().zip(values).try_for_each(|(index, value)| {
            folder::check(self.schema.field(*index).name(), value.as_deref())
        })
    }

    /// Returns the value of each partition column of a part as an array of one, in canonical types;
    /// nulls for a part without rows, which is in no folder.
    ///
    /// # Errors
    /// `Corrupt` where the record of the part has other values than the table has columns.
    pub fn arrays(&self, part: &Part) -> Result<Vec<ArrayRef>, QueryError> {
        let corrupt = |detail: String| QueryError::Corrupt { cid: part.cid, detail };
        let known = part.partition.len();
        if known != self.folders.len() && part.rows > 0 {
            let columns = self.folders.len();
            return Err(corrupt(format!("it has {known} values for {columns} partition columns")));
        }
        let arrays = self.folders.iter().enumerate().map(|(place, index)| {
            let field = self.schema.field(*index);
            let text = part.partition.get(place).and_then(Option::as_deref);
            one_value(text, field.data_type())
                .map_err(|_| corrupt(format!("its value of column {} is none", field.name())))
        });
        arrays.collect()
    }

    /// Returns the places of parts in the order of their values, that of the first partition column
    /// first, nulls before all others; of equal ones in their own order.
    ///
    /// # Errors
    /// `Corrupt` for a record whose value its column does not hold.
    pub(super) fn order(&self, parts: &[Part]) -> Result<Vec<usize>, QueryError> {
        let columns = self.folders.iter().enumerate().map(|(place, index)| {
            let value = |part: &Part| part.partition.get(place).cloned().flatten();
            let texts: StringArray = parts.iter().map(value).collect();
            let kind = self.schema.field(*index).data_type();
            if *kind == DataType::Null {
                return Ok(new_null_array(kind, parts.len()));
            }
            let values = cast_with_options(&texts, kind, &CHECKED);
            // Whose record it is, is found where its values are looked at one by one.
            values.map_err(|_| match parts.iter().find_map(|part| self.arrays(part).err()) {
                Some(error) => error,
                None => QueryError::internal("values of partitions cannot be read together"),
            })
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>, QueryError>>()?;
        let keys = runs::converter(self)?.convert_columns(&columns).map_err(failed)?;
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by(|a, b| keys.row(*a).cmp(&keys.row(*b)));
        Ok(order)
    }

    /// Returns rows of all columns without the partition columns.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn without_folders(&self, rows: &RecordBatch) -> Result<RecordBatch, QueryError> {
        rows.project(&self.in_files).map_err(failed)
    }

    /// Puts the partition columns of a part into rows of its file, which have the columns of the
    /// table at `places`, as far as they are in files; returns all columns at `places`.
    ///
    /// # Errors
    /// As [`Self::arrays`].
    pub(crate) fn with_folders(
        &self,
        rows: &RecordBatch,
        places: &[usize],
        part: &Part,
    ) -> Result<RecordBatch, QueryError> {
        let values = self.arrays(part)?;
        let same = UInt64Array::from_value(0, rows.num_rows());
        let mut in_file = rows.columns().iter();
        let columns = places.iter().map(|place| {
            let folder = self.folders.iter().position(|index| index == place);
            match folder.and_then(|folder| values.get(folder)) {
                Some(value) => take(value, &same, None).map_err(failed),
                None => in_file
                    .next()
                    .cloned()
                    .ok_or_else(|| QueryError::internal("a part has fewer columns than its table")),
            }
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>, QueryError>>()?;
        let schema = Arc::new(self.schema.project(places).map_err(failed)?);
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(schema, columns, &options).map_err(failed)
    }

    /// Puts what is known of partition columns among what is known of the columns of files.
    fn with_folder_stats(
        &self,
        part: &Part,
        in_files: Vec<ColumnStats>,
    ) -> Result<Vec<ColumnStats>, QueryError> {
        let values = self.arrays(part)?;
        let mut in_files = in_files.into_iter();
        let columns = (0..self.schema.fields().len()).filter_map(|index| {
            match self.folders.iter().position(|folder| *folder == index) {
                Some(place) => values.get(place).map(|value| stats(value, part.rows)),
                None => in_files.next(),
            }
        });
        Ok(columns.collect())
    }
}

/// Encodes a canonical row group of all columns, whose rows have the same values in the partition
/// columns, as [`encode_part`] does without them.
///
/// # Errors
/// As [`encode_part`], and `Unsupported` for a value that names no folder.
pub fn encode_partitioned(
    group: &RowGroup,
    partitioning: &Partitioning,
    threads: usize,
) -> Result<EncodedPart, QueryError> {
    if !partitioning.is_partitioned() {
        return encode_part(group, threads);
    }
    let in_file = RowGroup { rows: partitioning.without_folders(&group.rows)?, hash: group.hash };
    let mut encoded = encode_part(&in_file, threads)?;
    if group.rows.num_rows() > 0 {
        encoded.part.partition = partitioning.values(&group.rows, 0)?;
    }
    let in_files = std::mem::take(&mut encoded.part.columns);
    encoded.part.columns = partitioning.with_folder_stats(&encoded.part, in_files)?;
    Ok(encoded)
}

/// Says whether values of a type in the user's schema have a text that people would call a folder
/// by, and that reads back.
fn names_folders(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => names_folders(values),
        DataType::RunEndEncoded(_, values) => names_folders(values.data_type()),
        // A column without a value has no other type.
        DataType::Null
        | DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Date32
        | DataType::Timestamp(..) => true,
        kind => kind.is_integer(),
    }
}

/// Returns the text of an array of one value, none for null; fails for a value whose text does not
/// read back as that value.
fn text_of(value: &ArrayRef, kind: &DataType) -> Result<Option<String>, ArrowError> {
    if is_null(value) {
        return Ok(None);
    }
    let text = cast_with_options(value, &DataType::Utf8, &CHECKED)?;
    let text = text.as_string_opt::<i32>().map_or("", |text| text.value(0)).to_owned();
    let back = one_value(Some(&text), kind)?;
    if &back != value {
        return Err(ArrowError::CastError(format!("{text} reads back as another value")));
    }
    Ok(Some(text))
}

/// Returns the value that a text is of a type, as an array of one; without a text, null.
fn one_value(text: Option<&str>, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    match text {
        None => Ok(new_null_array(kind, 1)),
        Some(text) => cast_with_options(&StringArray::from(vec![text]), kind, &CHECKED),
    }
}

/// Says whether an array of one value has none.
fn is_null(value: &ArrayRef) -> bool {
    value.logical_null_count() > 0
}

/// Returns what is known of a column that has one value in all rows.
fn stats(value: &ArrayRef, rows: u64) -> ColumnStats {
    let scalar = scalar(value);
    let nulls = if is_null(value) { rows } else { 0 };
    ColumnStats { nulls, bytes: 0, min: scalar.clone(), max: scalar, exact: true }
}

/// Returns a value as bounds are written; none for null and for long text.
fn scalar(value: &ArrayRef) -> Option<Scalar> {
    if is_null(value) {
        return None;
    }
    match value.data_type() {
        DataType::Boolean => value.as_boolean_opt().map(|value| Scalar::Bool(value.value(0))),
        DataType::Utf8 => {
            let text = value.as_string_opt::<i32>()?.value(0);
            (text.len() <= BOUND_BYTES_MAX).then(|| Scalar::Text(text.to_owned()))
        }
        kind if kind.is_unsigned_integer() => {
            let wide = cast_with_options(value, &DataType::UInt64, &CHECKED).ok()?;
            let wide = wide.as_primitive_opt::<arrow::datatypes::UInt64Type>()?.value(0);
            Some(Scalar::UInt(wide))
        }
        kind => {
            // Dates count in 32 bits, and are cast to 64 by that number alone.
            let number = match kind {
                DataType::Date32 => cast_with_options(value, &DataType::Int32, &CHECKED).ok()?,
                _ => Arc::clone(value),
            };
            let wide = cast_with_options(&number, &DataType::Int64, &CHECKED).ok()?;
            let wide = wide.as_primitive_opt::<arrow::datatypes::Int64Type>()?.value(0);
            Some(Scalar::Int(wide))
        }
    }
}

fn failed(error: ArrowError) -> QueryError {
    QueryError::internal(arrow_message(&error))
}

#[cfg(test)]
mod tests;
