//! The tools on files and folders by content address: add, cat, ls. They work on the blocks of
//! this lake and ask nobody else.

use cidlake::{AddSource, Error, ErrorKind, no_progress};
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::schema::{self, about_file, about_list, input, output, text};
use super::{FileWindow, ListWindow, Spec};
use crate::mcp::arguments::Arguments;
use crate::mcp::caps::Piece;
use crate::mcp::server::Context;
use crate::mcp::wire;

pub(super) fn add_spec() -> Spec {
    Spec {
        title: "Add content",
        description: "Add a text, or a file beneath a folder that this server may read, and pin \
                      it. Returns its CID, which is the one that IPFS computes (unixfs-v1-2025). \
                      Give content or file_path.",
        input: input(
            vec![
                ("content", text("The text to add")),
                ("file_path", text("The file to add; absolute")),
            ],
            &[],
        ),
        output: output(vec![
            ("cid", text("The CID")),
            ("result", schema::any_object("cid, name, size and new_bytes of what was added")),
        ]),
    }
}

pub(super) async fn add(context: &Context, mut arguments: Arguments) -> Result<Value, Error> {
    let source = match (arguments.text("content")?, arguments.text("file_path")?) {
        (Some(content), None) => {
            AddSource::Bytes { label: "content".to_owned(), data: content.into() }
        }
        (None, Some(path)) => {
            let folders = context.folders.clone();
            let read = tokio::task::spawn_blocking(move || folders.read(&path)).await;
            let (label, data) = read.map_err(|error| {
                Error::new(ErrorKind::Internal, format!("reading the file broke off: {error}"))
            })??;
            AddSource::Bytes { label, data: data.into() }
        }
        (None, None) => {
            return Err(Error::new(ErrorKind::Usage, "either content or file_path is required"));
        }
        (Some(_), Some(_)) => {
            return Err(Error::new(ErrorKind::Usage, "content and file_path exclude each other"));
        }
    };
    let added = context.lake.add(source, no_progress()).await?;
    let cid = added.cid.to_string();
    Ok(json!({
        "success": true,
        "cid": cid,
        "result": {
            "cid": cid,
            "name": added.name,
            "size": added.bytes,
            "new_bytes": added.new_bytes,
        },
    }))
}

pub(super) fn cat_spec() -> Spec {
    let mut arguments = vec![("cid", text("A CID, or a path in a folder: CID/path"))];
    arguments.extend(schema::file_window());
    let mut answer = vec![("cid", text("The CID of the file"))];
    answer.extend(about_file());
    Spec {
        title: "Read content",
        description: "Read a file by its CID, verified against it. Text comes as text, other \
                      bytes as base64; long files piece by piece (next_offset).",
        input: input(arguments, &["cid"]),
        output: output(answer),
    }
}

pub(super) async fn cat(context: &Context, mut arguments: Arguments) -> Result<Value, Error> {
    let target = arguments.required_text("cid")?;
    let window = FileWindow::take(&mut arguments)?;
    let info = context.lake.stat(&target).await?;
    let cid = info.cid.to_string();
    let range = window.of(info.size);
    let end = range.end;
    let mut pieces = context.lake.cat(&cid, Some(range)).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece?);
    }
    let piece = Piece::text(&bytes, end < info.size);
    let mut answer = wire::file_piece(piece, window.offset, info.size);
    answer["cid"] = cid.into();
    Ok(answer)
}

pub(super) fn ls_spec() -> Spec {
    let mut arguments = vec![("path", text("A CID, /ipfs/CID, or a path in it: CID/path"))];
    arguments.extend(schema::list_window());
    let mut answer = vec![("contents", schema::objects("Entries: name, cid, size, type"))];
    answer.extend(about_list());
    Spec {
        title: "List a folder",
        description: "List a folder by its CID. A file is listed as itself.",
        input: input(arguments, &["path"]),
        output: output(answer),
    }
}

pub(super) async fn ls(context: &Context, mut arguments: Arguments) -> Result<Value, Error> {
    let path = arguments.required_text("path")?;
    let window = ListWindow::take(&mut arguments)?;
    let all = context.lake.ls(&path).await?;
    let entries = window.of(&all).iter().map(wire::ls_entry).collect();
    Ok(window.answer("contents", entries, all.len()))
}
