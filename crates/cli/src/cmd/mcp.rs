//! `cidlake mcp`: the lake for agents.

use std::path::PathBuf;

use cidlake::{Error, Open};

use super::Context;
use crate::mcp::{McpOptions, serve};

/// Serve agents by the Model Context Protocol on standard input and output
///
/// An agent's host starts this, often before there is any data: so the lake is made where there
/// is none. Without options the server only reads. It ends with the end of its input.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake mcp
  cidlake mcp --allow-write --allow-path /home/me/data
  claude mcp add cidlake -- cidlake mcp        # in a client")]
pub(crate) struct McpArgs {
    /// Offer the tools that store as well
    #[arg(long)]
    allow_write: bool,
    /// Let ipfs_add read files beneath this folder; may be given several times
    #[arg(long, value_name = "DIR")]
    allow_path: Vec<PathBuf>,
}

pub(super) async fn run(context: &Context, args: McpArgs) -> Result<(), Error> {
    let lake = context.open(Open::Create).await?;
    let options = McpOptions { allow_write: args.allow_write, allow_path: args.allow_path };
    serve(lake.clone(), options).await?;
    lake.close().await
}
