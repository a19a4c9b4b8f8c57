//! `cidlake pin`: keeps what no dataset refers to.

use cidlake::{Error, Open};

use super::Context;
use crate::output::{fields, object};
use crate::wire::PinnedWire;

/// Keep a version or a CID although no dataset refers to it
///
/// Of a table the commit is pinned: its rows and schema stay, and the versions before it that no
/// `expire` let go. What a name means is pinned as it is now; later versions are not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake pin people~3 --name before-the-move
  cidlake pin bafybeig3gqizrl2lyawywu4o3h3khxwmugsb3mqy7bhwocv4zsq7lp7fl4")]
pub(crate) struct PinArgs {
    /// A name, name~N, name@COMMIT, name@TIME, name@TAG or a CID
    #[arg(value_name = "REF")]
    reference: String,
    /// What to call the pin; one that is there is called so from now on
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

pub(super) async fn run(context: &Context, args: PinArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let pinned = lake.pin(&args.reference, args.name).await?;
    lake.close().await?;
    let wire = PinnedWire::from(&pinned);
    object(&output, &wire, std::slice::from_ref(&wire), || {
        let root = if pinned.content.is_some() { "commit" } else { "cid" };
        let mut facts = vec![(root, wire.cid.clone())];
        facts.extend(wire.content.clone().map(|content| ("content", content)));
        facts.extend(wire.name.clone().map(|name| ("name", name)));
        let said = if pinned.unchanged { "was pinned already" } else { "is pinned" };
        format!("{} {said}\n{}", args.reference, fields(facts))
    })
}
