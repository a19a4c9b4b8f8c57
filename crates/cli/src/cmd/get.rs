//! `cidlake get`: one table out, whole or in part.

use std::path::PathBuf;

use cidlake::{Error, GetOptions, Open};

use super::Context;
use crate::output::{Destination, Shown, plural};

const ADVICE: &str = "--limit N for more, -o FILE for all";

/// Return the rows of a table, whole, by column or by filter
///
/// Rows come in the order and the types in which they were stored. A table on the terminal shows
/// 40 rows unless --limit says otherwise; every other format has all of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake get people
  cidlake get people~1 --columns name,born --where \"born < DATE '1910-01-01'\"
  cidlake get bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy -o people.parquet
  cidlake get people --format csv | head")]
pub(crate) struct GetArgs {
    /// A name, name~N, name@COMMIT, name@TIME, name@TAG or a CID
    #[arg(value_name = "REF")]
    reference: String,
    /// Write to a file, whose extension says the format; it appears whole or not at all
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// These columns, in this order
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// Only rows for which this SQL expression is true
    #[arg(long = "where", value_name = "EXPR")]
    filter: Option<String>,
    /// No more rows than this
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

pub(super) async fn run(context: &Context, args: GetArgs) -> Result<(), Error> {
    let destination = Destination::choose(args.output, context.global.format)?;
    let lake = context.open(Open::Existing).await?;
    let options = GetOptions { columns: args.columns, filter: args.filter, limit: args.limit };
    let rows = lake.get(&args.reference, options).await?;
    let written = destination.write(rows, Shown::new(args.limit, ADVICE)).await?;
    say_written(context, &destination, written);
    Ok(())
}

/// Says on standard error what a file holds now.
pub(super) fn say_written(context: &Context, destination: &Destination, rows: Option<u64>) {
    if let (Destination::File { path, .. }, Some(rows)) = (destination, rows) {
        context.say(&format!("wrote {} to {}", plural(rows, "row"), path.display()));
    }
}
