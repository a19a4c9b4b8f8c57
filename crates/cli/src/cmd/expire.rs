//! `cidlake expire`: lets go of old versions of a dataset.

use cidlake::{Error, Expired, Keep, Open};

use super::Context;
use crate::output::{fields, moment, object, plural};
use crate::wire::ExpiredWire;

/// Let go of old versions of a dataset
///
/// The newest version always stays. A span of time or a date keeps every version that the name
/// meant since then. What was let go is not read by name any more, but by a tag that it has; its room
/// comes back with `cidlake gc`, but for what a tag, a pin, another dataset or a version that stays
/// has in common with it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake expire people --keep 5
  cidlake expire people --keep 30d --dry-run
  cidlake expire people --keep 2026-01-01 && cidlake gc")]
pub(crate) struct ExpireArgs {
    /// The dataset
    #[arg(value_name = "NAME")]
    name: String,
    /// What to keep: so many versions (5), a span of time (36h, 30d, 8w), or all since a date or
    /// time (2026-01-01)
    #[arg(long, value_name = "KEEP")]
    keep: String,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(context: &Context, args: &ExpireArgs) -> Result<(), Error> {
    let output = context.output()?;
    let keep = Keep::parse(&args.keep)?;
    let lake = context.open(Open::Existing).await?;
    let expired = lake.expire(&args.name, keep, args.dry_run).await?;
    lake.close().await?;
    let wire = ExpiredWire::from(&expired);
    object(&output, &wire, std::slice::from_ref(&wire), || people(&expired))?;
    if !expired.dry_run && expired.versions_expired > 0 {
        context.suggest(&output, "gc");
    }
    Ok(())
}

fn people(expired: &Expired) -> String {
    let verb = if expired.dry_run { "would let go of" } else { "let go of" };
    let tagged = match expired.versions_tagged {
        0 => String::new(),
        tagged => format!("; {} of the old ones stay by their tags", plural(tagged, "version")),
    };
    format!(
        "{} {verb} {}, keeps {}{tagged}\n{}",
        expired.name,
        plural(expired.versions_expired, "version"),
        plural(expired.versions_kept, "version"),
        fields([("oldest", expired.oldest.to_string()), ("of", moment(expired.oldest_time_ms)),]),
    )
}
