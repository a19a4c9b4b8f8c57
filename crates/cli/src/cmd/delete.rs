//! `cidlake delete`: rows of a dataset go, by a condition.

use cidlake::{DeleteRequest, Deleted, Doomed, Error, Open};

use super::Context;
use crate::output::{bytes, fields, object, plural};
use crate::wire::DeletedWire;

/// Delete rows of a dataset
///
/// Rows for which the expression is true go; where it is false or null they stay. Parts without
/// such a row stay what they are. The rows are in the versions before still: `cidlake expire` and
/// `cidlake gc` give their room back. Rows that others append meanwhile are not looked at.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake delete people --where 'id = 7'
  cidlake delete events --where \"day < DATE '2025-01-01'\" --dry-run
  cidlake delete sales.orders --all --message 'a fresh start'")]
pub(crate) struct DeleteArgs {
    /// The dataset
    #[arg(value_name = "NAME")]
    name: String,
    /// Rows for which this SQL expression is true
    #[arg(long = "where", value_name = "EXPR", required_unless_present = "all")]
    filter: Option<String>,
    /// All rows; the dataset and its columns stay
    #[arg(long, conflicts_with = "filter")]
    all: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// What the new version is, in a sentence
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
}

pub(super) async fn run(context: &Context, args: DeleteArgs) -> Result<(), Error> {
    let output = context.output()?;
    let request = DeleteRequest {
        rows: args.filter.map_or(Doomed::All, Doomed::Where),
        dry_run: args.dry_run,
        message: args.message,
    };
    let lake = context.open(Open::Existing).await?;
    let meter = context.meter(&args.name);
    let deleted = lake.delete(&args.name, request, meter.listener()).await?;
    drop(meter);
    lake.close().await?;
    let wire = DeletedWire::from(&deleted);
    object(&output, &wire, std::slice::from_ref(&wire), || people(&deleted))
}

fn people(deleted: &Deleted) -> String {
    let verb = if deleted.dry_run { "would lose" } else { "lost" };
    let facts = [
        ("cid", deleted.cid.to_string()),
        ("commit", deleted.commit.to_string()),
        ("parts", format!("{} of {} touched", deleted.parts_touched, deleted.parts_before)),
        ("new", bytes(deleted.new_bytes)),
    ];
    format!(
        "{} {verb} {}, {} left\n{}",
        deleted.name,
        plural(deleted.rows_deleted, "row"),
        plural(deleted.rows, "row"),
        fields(facts)
    )
}
