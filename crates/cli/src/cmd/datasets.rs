//! `cidlake datasets`: what there is.

use cidlake::{DatasetInfo, Error, Lake, Open};

use super::Context;
use crate::output::{Align, Layout, Output, bytes, count, list, moment};
use crate::wire::DatasetWire;

/// List the datasets
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake datasets
  cidlake datasets --format csv
  cidlake sql 'SELECT name, rows FROM datasets ORDER BY rows DESC'")]
pub(crate) struct DatasetsArgs {}

pub(super) async fn run(context: &Context, DatasetsArgs {}: &DatasetsArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    if !print(&output, &lake).await? {
        context.suggest(&output, "store FILE --name NAME");
    }
    Ok(())
}

/// Writes the list; returns whether there was anything in it.
pub(crate) async fn print(output: &Output, lake: &Lake) -> Result<bool, Error> {
    let infos = lake.datasets().await?;
    let wires: Vec<DatasetWire> = infos.iter().map(DatasetWire::from).collect();
    list(output, &wires, || people(&infos))?;
    Ok(!infos.is_empty())
}

fn people(infos: &[DatasetInfo]) -> String {
    if infos.is_empty() {
        return "no datasets\n".to_owned();
    }
    let mut layout = Layout::new([
        ("name", Align::Left),
        ("rows", Align::Right),
        ("columns", Align::Right),
        ("size", Align::Right),
        ("updated", Align::Left),
        ("cid", Align::Left),
    ]);
    for info in infos {
        layout.row([
            info.name.clone(),
            count(info.rows),
            count(info.columns),
            bytes(info.bytes),
            moment(info.updated_ms),
            info.cid.to_string(),
        ]);
    }
    layout.list()
}
