//! `cidlake alter`: columns, keys and words of a dataset change, its rows stay.

use cidlake::{AlterRequest, Altered, Error, Open};

use super::Context;
use crate::output::{bytes, count, fields, object};
use crate::wire::AlteredWire;

/// Change the columns, the key or the words of a dataset
///
/// It becomes one new version of the same rows. Columns that stay are not encoded again: they share
/// their blocks with the version before, which stays as it is. Columns are named as they are before
/// the change, but for those of --key.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake alter people --add 'country TEXT' --add \"score DOUBLE DEFAULT 0\"
  cidlake alter people --drop phone --rename name=full_name
  cidlake alter people --rename a=b --rename b=a
  cidlake alter people --widen 'id BIGINT' --key id --set source=crm -m 'wider ids'

Types are written in SQL (INT, BIGINT, DOUBLE, TEXT, BOOLEAN, DATE, TIMESTAMP, DECIMAL(10,2)) or as
Arrow writes them (Int64, Utf8, Float64). Integers and floating-point numbers widen to more bits,
integers of up to 32 bits to DOUBLE, decimals to more digits, dates to timestamps, timestamps to a
finer unit.")]
pub(crate) struct AlterArgs {
    /// The dataset
    #[arg(value_name = "NAME")]
    name: String,
    /// Add a column behind all others, null or one value in every row
    #[arg(long, value_name = "COL TYPE [DEFAULT VALUE]")]
    add: Vec<String>,
    /// Drop a column
    #[arg(long, value_name = "COL")]
    drop: Vec<String>,
    /// Rename a column
    #[arg(long, value_name = "OLD=NEW", value_parser = old_and_new)]
    rename: Vec<(String, String)>,
    /// Give a column a type that holds all its values and more
    #[arg(long, value_name = "COL TYPE")]
    widen: Vec<String>,
    /// Set a word about the dataset
    #[arg(long, value_name = "KEY=VALUE", value_parser = super::store::key_and_value)]
    set: Vec<(String, String)>,
    /// Take a word about the dataset away
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    /// The columns that identify a row from now on
    #[arg(long, value_name = "COL,COL", value_delimiter = ',', conflicts_with = "no_key")]
    key: Option<Vec<String>>,
    /// Let no columns identify a row
    #[arg(long)]
    no_key: bool,
    /// What this version is, in a sentence
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
}

pub(super) async fn run(context: &Context, args: AlterArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let meter = context.meter(&args.name);
    let request = AlterRequest {
        add: args.add,
        drop: args.drop,
        rename: args.rename,
        widen: args.widen,
        set: args.set.into_iter().collect(),
        unset: args.unset,
        key: if args.no_key { Some(Vec::new()) } else { args.key },
        message: args.message,
    };
    let altered = lake.alter(&args.name, request, meter.listener()).await?;
    drop(meter);
    lake.close().await?;
    let wire = AlteredWire::from(&altered);
    object(&output, &wire, std::slice::from_ref(&wire), || people(&altered))
}

fn old_and_new(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err("write OLD=NEW".to_owned()),
    }
}

fn people(altered: &Altered) -> String {
    let verb = if altered.unchanged { "is that already:" } else { "altered:" };
    format!(
        "{} {verb} {}\n{}",
        altered.name,
        altered.columns.join(", "),
        fields([
            ("cid", altered.cid.to_string()),
            ("commit", altered.commit.to_string()),
            ("rows", count(altered.rows)),
            ("size", format!("{} ({} new)", bytes(altered.bytes), bytes(altered.new_bytes))),
        ])
    )
}
