//! `cidlake wal`: the log, and the operation queue in it. Each subcommand has a file, with its options.
//!
//! What operations do, and when they are queued by themselves, is not known here.

mod enqueue;
mod list;
mod operation;
mod status;
mod work;

use std::process::ExitCode;

use cidlake::Error;
use clap::Subcommand;

use super::Context;

/// Look at the log and its operation queue, queue work, and run it
///
/// An operation is work that is queued in the log and done by whoever runs `cidlake wal run`, now or
/// later, here or in another process. It is tried again where an attempt failed, with longer and
/// longer waits, and taken up by somebody else where its process ended. Kinds: verify, compact, gc and
/// seal.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake wal status
  cidlake wal enqueue verify full=true
  cidlake wal run                    # what is due, then it ends
  cidlake wal run --watch            # until Ctrl-C, with what the schedule says
  cidlake wal list --status failed --status dead
  cidlake sql 'SELECT * FROM system.operations'")]
pub(crate) struct WalArgs {
    #[command(subcommand)]
    command: WalCommand,
}

/// What to do with the log.
#[derive(Debug, Subcommand)]
enum WalCommand {
    Status(status::StatusArgs),
    List(list::ListArgs),
    Show(operation::ShowArgs),
    Enqueue(enqueue::EnqueueArgs),
    Run(work::RunArgs),
    Retry(operation::RetryArgs),
    Drop(operation::DropArgs),
}

pub(super) async fn run(context: &Context, args: WalArgs) -> Result<ExitCode, Error> {
    match args.command {
        WalCommand::Status(args) => status::run(context, &args).await?,
        WalCommand::List(args) => list::run(context, args).await?,
        WalCommand::Show(args) => operation::show(context, &args).await?,
        WalCommand::Enqueue(args) => enqueue::run(context, args).await?,
        WalCommand::Run(args) => return work::run(context, args).await,
        WalCommand::Retry(args) => operation::retry(context, &args).await?,
        WalCommand::Drop(args) => operation::drop(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}
