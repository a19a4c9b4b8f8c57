//! `cidlake wal list`: the operations of the queue.

use cidlake::{Error, Open, OperationInfo, OperationsRequest};

use crate::cmd::Context;
use crate::output::{Align, Layout, list, moment};
use crate::wire::OperationWire;

/// List operations in the order in which they were queued
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake wal list
  cidlake wal list --status failed --status dead
  cidlake wal list --kind gc -n 1000
  cidlake wal list --format json | jq -r '.[].id'")]
pub(super) struct ListArgs {
    /// Only those that are pending, processing, completed, failed, retrying or dead; may be given
    /// several times
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
    /// Only those of this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// The most operations to list
    #[arg(
        long,
        short = 'n',
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    limit: u32,
    /// Only those that were queued after this one
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

pub(super) async fn run(context: &Context, args: ListArgs) -> Result<(), Error> {
    let output = context.output()?;
    let lake = context.open(Open::Existing).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let request = OperationsRequest {
        statuses: args.status,
        kind: args.kind,
        after: args.after,
        limit: Some(limit),
    };
    let infos = lake.operations(request).await?;
    let wires: Vec<OperationWire> = infos.iter().map(OperationWire::from).collect();
    list(&output, &wires, || people(&infos))?;
    if let Some(last) = infos.last().filter(|_| infos.len() == limit && output.for_people()) {
        context.say(&format!("\nthere may be more: --after {} goes on", last.id));
    }
    Ok(())
}

fn people(infos: &[OperationInfo]) -> String {
    if infos.is_empty() {
        return "no operations\n".to_owned();
    }
    let mut layout = Layout::new([
        ("id", Align::Right),
        ("kind", Align::Left),
        ("status", Align::Left),
        ("attempts", Align::Right),
        ("updated", Align::Left),
        ("result", Align::Left),
    ]);
    for info in infos {
        layout.row([
            info.id.clone(),
            info.kind.clone(),
            info.status.to_owned(),
            format!("{}/{}", info.attempts, info.attempts_max),
            moment(info.updated_ms),
            info.error.clone().or_else(|| info.result.clone()).unwrap_or_default(),
        ]);
    }
    layout.list()
}
