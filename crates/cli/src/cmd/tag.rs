//! `cidlake tag`: fixed words for versions.

use cidlake::{Error, Lake, Open, TagInfo, TagRequest, Tagged};

use super::Context;
use crate::output::{Align, Layout, Output, bytes, count, list, object};
use crate::wire::{TagWire, TaggedWire, UntaggedWire};

/// Give a version a tag, or list tags
///
/// A version with a tag is read as NAME@TAG and stays, also when older versions expire. Tags go
/// where the dataset goes: renaming it takes them along, dropping it ends them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake tag people v1              # the newest version
  cidlake tag people before-import people~3
  cidlake tag people                 # lists the tags
  cidlake get people@v1
  cidlake tag people v1 --delete")]
pub(crate) struct TagArgs {
    /// The dataset
    #[arg(value_name = "NAME")]
    name: String,
    /// The tag: a letter, then a-z, 0-9, _, - and .
    #[arg(value_name = "TAG")]
    tag: Option<String>,
    /// The version: a REF of the dataset, a commit, ~1 or @TAG; without it the newest
    #[arg(value_name = "VERSION", requires = "tag", conflicts_with = "delete")]
    target: Option<String>,
    /// Move a tag that means another version
    #[arg(long, requires = "tag", conflicts_with = "delete")]
    force: bool,
    /// End the tag
    #[arg(long, requires = "tag")]
    delete: bool,
}

pub(super) async fn run(context: &Context, args: TagArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    match args.tag {
        None => return print_tags(&output, &lake.tags(&args.name).await?),
        Some(tag) if args.delete => untag(&output, &lake, &args.name, &tag).await?,
        Some(tag) => {
            let request = TagRequest { tag, version: args.target, force: args.force };
            let tagged = lake.tag(&args.name, request).await?;
            let wire = TaggedWire::from(&tagged);
            object(&output, &wire, std::slice::from_ref(&wire), || people(&tagged))?;
        }
    }
    lake.close().await
}

async fn untag(output: &Output, lake: &Lake, name: &str, tag: &str) -> Result<(), Error> {
    let untagged = lake.untag(name, tag).await?;
    let wire = UntaggedWire::from(&untagged);
    object(output, &wire, std::slice::from_ref(&wire), || {
        format!("{}@{} is no more; it meant {}\n", untagged.name, untagged.tag, untagged.commit)
    })
}

fn print_tags(output: &Output, infos: &[TagInfo]) -> Result<(), Error> {
    let wires: Vec<TagWire> = infos.iter().map(TagWire::from).collect();
    list(output, &wires, || tags(&wires))
}

fn people(tagged: &Tagged) -> String {
    let Tagged { name, tag, commit, .. } = tagged;
    match (tagged.unchanged, tagged.before) {
        (true, _) => format!("{name}@{tag} means {commit} already\n"),
        (_, Some(before)) => format!("{name}@{tag} now means {commit}, and no longer {before}\n"),
        (_, None) => format!("{name}@{tag} now means {commit}\n"),
    }
}

fn tags(wires: &[TagWire]) -> String {
    if wires.is_empty() {
        return "no tags\n".to_owned();
    }
    let mut layout = Layout::new([
        ("tag", Align::Left),
        ("time", Align::Left),
        ("rows", Align::Right),
        ("size", Align::Right),
        ("commit", Align::Left),
    ]);
    for wire in wires {
        layout.row([
            wire.tag.clone(),
            wire.time.clone().unwrap_or_default(),
            wire.rows.map(count).unwrap_or_default(),
            wire.bytes.map(bytes).unwrap_or_default(),
            wire.commit.clone(),
        ]);
    }
    layout.list()
}
