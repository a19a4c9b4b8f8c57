//! Where the rows of an answer go: to standard output, or to a file that appears whole or not at
//! all.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cidlake::{Error, ErrorKind, Format, Rows};

use super::rows::{Shown, preview, stream};
use super::{Form, OutFormat, Output, print};

/// Where the rows of an answer go.
#[derive(Debug)]
pub(crate) enum Destination {
    /// To standard output.
    Stdout(Output),
    /// To a file.
    File {
        /// Its path.
        path: PathBuf,
        /// Its format.
        form: Form,
    },
}

impl Destination {
    /// Decides where the answer goes, before any work is done. The format of a file is the one
    /// that was asked for, else that of its extension; the path `-` is standard output.
    ///
    /// # Errors
    /// `Usage` for a file whose format is not known, or one that would hold a table for people.
    pub(crate) fn choose(path: Option<PathBuf>, asked: Option<OutFormat>) -> Result<Self, Error> {
        match path {
            None => Ok(Self::Stdout(Output::choose(asked)?)),
            Some(path) if path == Path::new("-") => Ok(Self::Stdout(Output::choose(asked)?)),
            Some(path) => {
                let form = file_form(&path, asked)?;
                Ok(Self::File { path, form })
            }
        }
    }

    /// Writes the rows; returns how many there were where they went to a file.
    ///
    /// # Errors
    /// What stopped the rows, or the failure of the file; then no file is left.
    pub(crate) async fn write(&self, rows: Rows, shown: Shown) -> Result<Option<u64>, Error> {
        match self {
            Self::Stdout(output) if output.for_people() => {
                let text = preview(rows, shown, output.width, &|_| {}).await?;
                print(text.as_bytes())?;
                Ok(None)
            }
            Self::Stdout(output) => {
                stream(rows, output.form, Box::new(io::stdout())).await?;
                Ok(None)
            }
            Self::File { path, form } => write_file(rows, path, *form).await.map(Some),
        }
    }
}

fn file_form(path: &Path, asked: Option<OutFormat>) -> Result<Form, Error> {
    let usage = |message: String| {
        Error::new(ErrorKind::Usage, message).with_hint(
            "say the format with --format parquet, csv, json, ndjson, arrow, markdown or line",
        )
    };
    match asked {
        Some(OutFormat::Table) => {
            return Err(usage("a table for people is not a format for a file".to_owned()));
        }
        Some(format) => return Ok(format.into()),
        None => {}
    }
    let extension = path.extension().map(|text| text.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        // By custom this extension is a stream, and the others of Arrow are files.
        Some("arrows") => Ok(Form::ArrowStream),
        Some("md" | "markdown") => Ok(Form::Markdown),
        _ => {
            let name = path.file_name().map(|name| name.to_string_lossy());
            let format = Format::detect(name.as_deref(), &[]);
            format.map(Form::Data).ok_or_else(|| {
                usage(format!("the format of {} is not known from its name", path.display()))
            })
        }
    }
}

/// Writes to a draft beside `path` and renames it at the end.
async fn write_file(rows: Rows, path: &Path, form: Form) -> Result<u64, Error> {
    let fail = |error| file_error(path, error);
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {
            return Err(Error::new(ErrorKind::Invalid, format!("{} is a folder", path.display()))
                .with_hint("name a file in it"));
        }
        // A pipe or a device is written to; a renamed draft would take its place.
        Ok(meta) if !meta.is_file() => {
            let out = File::options().write(true).open(path).map_err(fail)?;
            return stream(rows, form, Box::new(out)).await;
        }
        _ => {}
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let draft = draft_in(folder.unwrap_or_else(|| Path::new("."))).map_err(fail)?;
    let out = draft.as_file().try_clone().map_err(fail)?;
    let count = stream(rows, form, Box::new(out)).await?;
    draft.as_file().sync_all().map_err(fail)?;
    draft.persist(path).map_err(|error| fail(error.error))?;
    Ok(count)
}

fn draft_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".cidlake-draft-");
    // A temporary file is its owner's alone by default; this one becomes the user's file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

fn file_error(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::NotADirectory => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("cannot write {}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cidlake::{ErrorKind, Format};

    use super::super::{Form, OutFormat};
    use super::file_form;

    #[test]
    fn a_files_format_is_asked_for_or_told_from_its_name() {
        let table = [
            ("a.parquet", None, Form::Data(Format::Parquet)),
            ("a.CSV", None, Form::Data(Format::Csv)),
            ("a.jsonl", None, Form::Data(Format::Ndjson)),
            ("a.feather", None, Form::Data(Format::Arrow)),
            ("a.arrows", None, Form::ArrowStream),
            ("a.md", None, Form::Markdown),
            ("a.bin", Some(OutFormat::Arrow), Form::Data(Format::Arrow)),
            ("a.parquet", Some(OutFormat::Csv), Form::Data(Format::Csv)),
        ];
        for (path, asked, expected) in table {
            assert_eq!(file_form(Path::new(path), asked).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn a_file_without_a_format_is_a_mistake_of_usage() {
        for (path, asked) in
            [("a", None), ("a.bin", None), (".csv", None), ("a.csv", Some(OutFormat::Table))]
        {
            assert_eq!(file_form(Path::new(path), asked).unwrap_err().kind(), ErrorKind::Usage);
        }
    }
}
