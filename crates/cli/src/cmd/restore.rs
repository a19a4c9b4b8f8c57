//! `cidlake restore`: an old version becomes the newest again.

use cidlake::{Error, Open, Restored};

use super::Context;
use crate::output::{count, fields, moment, object};
use crate::wire::RestoredWire;

/// Make an old version of a dataset the newest again
///
/// It becomes a version of its own, with the same CID; nothing is copied, and the versions between
/// them stay. What has expired cannot be restored, but for a version with a tag.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake restore people ~1
  cidlake restore people people@2026-01-31T12:00:00Z
  cidlake restore people @v1 --message 'back to v1'")]
pub(crate) struct RestoreArgs {
    /// The dataset
    #[arg(value_name = "NAME")]
    name: String,
    /// The version: a REF of the dataset, a commit, ~1 or @TAG
    #[arg(value_name = "VERSION")]
    target: String,
    /// What to say about it
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
}

pub(super) async fn run(context: &Context, args: RestoreArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let restored = lake.restore(&args.name, &args.target, args.message).await?;
    lake.close().await?;
    let wire = RestoredWire::from(&restored);
    object(&output, &wire, std::slice::from_ref(&wire), || people(&restored))
}

fn people(restored: &Restored) -> String {
    let verb = if restored.unchanged { "is already" } else { "is again" };
    format!(
        "{} {verb} what it was at {}\n{}",
        restored.name,
        moment(restored.from_time_ms),
        fields([
            ("cid", restored.cid.to_string()),
            ("commit", restored.commit.to_string()),
            ("from", restored.from.to_string()),
            ("rows", format!("{} ({} before)", count(restored.rows), count(restored.rows_before))),
        ])
    )
}
