//! `cidlake drop`: frees a name.

use cidlake::{Error, Open};

use super::Context;
use crate::output::{fields, object};
use crate::wire::DroppedWire;

/// Free a dataset's name
///
/// Its tags end with it.
///
/// The rows are had by the CID of the commit, which is printed, until `cidlake gc`; `cidlake pin`
/// keeps them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake drop people")]
pub(crate) struct DropArgs {
    /// The dataset
    #[arg(value_name = "NAME")]
    name: String,
}

pub(super) async fn run(context: &Context, args: &DropArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let dropped = lake.drop_dataset(&args.name).await?;
    lake.close().await?;
    let wire = DroppedWire::from(&dropped);
    object(&output, &wire, std::slice::from_ref(&wire), || {
        let mut facts = vec![("commit", dropped.commit.to_string())];
        if !dropped.tags.is_empty() {
            facts.push(("tags", dropped.tags.join(" ")));
        }
        let (name, facts) = (&dropped.name, fields(facts));
        format!("{name} is dropped; its rows are had by CID until `cidlake gc`\n{facts}")
    })
}
