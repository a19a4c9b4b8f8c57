//! The tools on the lake's tree of files: ls, cat, info. The tree is read-only and has no paths of
//! this machine in it.

use cidlake::Error;
use serde_json::{Value, json};

use super::schema::{self, about_file, about_list, input, output, text};
use super::{FileWindow, ListWindow, Spec};
use crate::mcp::arguments::Arguments;
use crate::mcp::caps::Piece;
use crate::mcp::server::Context;
use crate::mcp::wire;

/// What a file can be written in.
const ENCODINGS: [&str; 2] = ["utf-8", "base64"];

pub(super) fn ls_spec() -> Spec {
    let mut arguments = vec![
        ("path", json!({"type": "string", "default": "/", "description": "A folder of the tree"})),
        (
            "detail",
            json!({
                "type": "boolean",
                "default": true,
                "description": "Whether entries are objects; else they are paths",
            }),
        ),
    ];
    arguments.extend(schema::list_window());
    let mut answer = vec![(
        "entries",
        json!({
            "description": "Entries: name, path, type, size, cid, metadata; or paths",
            "type": "array",
            "items": {"anyOf": [{"type": "object"}, {"type": "string"}]},
        }),
    )];
    answer.extend(about_list());
    Spec {
        title: "List the tree",
        description: "List a folder of the lake's tree of files: /datasets has every dataset's \
                      Parquet under its CID, /metadata a JSON file for each.",
        input: input(arguments, &[]),
        output: output(answer),
    }
}

pub(super) async fn ls(context: &Context, mut arguments: Arguments) -> Result<Value, Error> {
    let path = arguments.text("path")?.unwrap_or_else(|| "/".to_owned());
    let detail = arguments.flag("detail")?.unwrap_or(true);
    let window = ListWindow::take(&mut arguments)?;
    let all = context.lake.vfs_ls(&path).await?;
    let wanted = window.of(&all).iter();
    let entries = if detail {
        wanted.map(wire::vfs_entry).collect()
    } else {
        wanted.map(|entry| Value::from(entry.path.as_str())).collect()
    };
    Ok(window.answer("entries", entries, all.len()))
}

pub(super) fn cat_spec() -> Spec {
    let mut arguments = vec![
        ("path", text("A file of the tree, as vfs_ls lists them")),
        (
            "encoding",
            schema::choice_or(
                "utf-8 writes bytes that are no text as base64 and says so",
                &ENCODINGS,
                "utf-8",
            ),
        ),
    ];
    arguments.extend(schema::file_window());
    let mut answer = vec![("path", text("The path"))];
    answer.extend(about_file());
    Spec {
        title: "Read a file of the tree",
        description: "Read a file of the lake's tree: a dataset's Parquet bytes or its metadata. \
                      Long files come piece by piece (next_offset).",
        input: input(arguments, &["path"]),
        output: output(answer),
    }
}

pub(super) async fn cat(context: &Context, mut arguments: Arguments) -> Result<Value, Error> {
    let path = arguments.required_text("path")?;
    let encoding = arguments.choice("encoding", &ENCODINGS)?;
    let window = FileWindow::take(&mut arguments)?;
    let size = context.lake.vfs_info(&path).await?.size;
    let range = window.of(size);
    let end = range.end;
    let bytes = context.lake.vfs_cat(&path, Some(range)).await?;
    let piece = match encoding {
        Some("base64") => Piece::base64(&bytes),
        _ => Piece::text(&bytes, end < size),
    };
    let mut answer = wire::file_piece(piece, window.offset, size);
    answer["path"] = path.into();
    Ok(answer)
}

pub(super) fn info_spec() -> Spec {
    Spec {
        title: "Look at a path",
        description: "Say what is at a path of the lake's tree of files, how big it is and what \
                      its CID is.",
        input: input(vec![("path", text("A path of the tree"))], &["path"]),
        output: output(vec![(
            "info",
            schema::any_object("name, path, type, size, cid, is_partitioned, metadata"),
        )]),
    }
}

pub(super) async fn info(context: &Context, mut arguments: Arguments) -> Result<Value, Error> {
    let path = arguments.required_text("path")?;
    let entry = context.lake.vfs_info(&path).await?;
    let mut info = wire::vfs_entry(&entry);
    // A dataset itself, not a folder above it or a part inside.
    if let Some(cid) = entry.cid
        && entry.path == wire::storage_path(&cid)
    {
        let dataset = entry.dataset.as_ref();
        let version = dataset.map_or(cid, |dataset| dataset.commit);
        let shown = context.lake.describe(&version.to_string()).await?;
        info["is_partitioned"] = wire::is_partitioned(&shown).into();
        info["metadata"] = wire::metadata(&shown, dataset.map(|dataset| dataset.name.as_str()));
    }
    Ok(json!({"success": true, "info": info}))
}
