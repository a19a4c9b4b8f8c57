//! `cidlake rename`: another name for a dataset.

use cidlake::{Error, Open};

use super::Context;
use crate::output::object;
use crate::wire::RenamedWire;

/// Give a dataset another name
///
/// History and tags go with it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake rename people persons
  cidlake rename orders sales.orders")]
pub(crate) struct RenameArgs {
    /// The name that it has
    #[arg(value_name = "OLD")]
    from: String,
    /// The name that it is to have
    #[arg(value_name = "NEW")]
    to: String,
}

pub(super) async fn run(context: &Context, args: &RenameArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let renamed = lake.rename(&args.from, &args.to).await?;
    lake.close().await?;
    let wire = RenamedWire::from(&renamed);
    object(&output, &wire, std::slice::from_ref(&wire), || {
        format!("{} is now {}\n", renamed.from, renamed.to)
    })
}
