//! `cidlake unpin`: ends a pin.

use cidlake::{Error, Open};

use super::Context;
use crate::output::object;
use crate::wire::UnpinnedWire;

/// End a pin
///
/// What nothing else keeps goes with the next `cidlake gc`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake unpin before-the-move
  cidlake unpin bafybeig3gqizrl2lyawywu4o3h3khxwmugsb3mqy7bhwocv4zsq7lp7fl4")]
pub(crate) struct UnpinArgs {
    /// The CID that is pinned, the name of the pin, or a REF that means it
    #[arg(value_name = "PIN")]
    pin: String,
}

pub(super) async fn run(context: &Context, args: &UnpinArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let unpinned = lake.unpin(&args.pin).await?;
    lake.close().await?;
    let wire = UnpinnedWire::from(&unpinned);
    object(&output, &wire, std::slice::from_ref(&wire), || {
        format!("{} is no longer pinned\n", unpinned.cid)
    })
}
