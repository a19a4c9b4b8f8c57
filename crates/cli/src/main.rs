//! The program `cidlake`: reads the command line, runs one command, ends with its exit code.
//!
//! What a command does is in `cmd/`, how answers look in `output/` and `wire.rs`. Nothing here or
//! there holds logic of the lake: a command parses, calls one method of [`cidlake::Lake`], prints.

#![forbid(unsafe_code)]

mod args;
mod cmd;
mod exit;
mod mcp;
mod output;
mod progress;
mod shell;
mod wire;

use std::process::ExitCode;

use cidlake::{Error, ErrorKind};
use mimalloc::MiMalloc;

use crate::args::Args;

/// Much is allocated and freed on many threads here, which the C library's allocator is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let args = args::parse();
    let error_format = args.global.error_format;
    match start(args) {
        Ok(code) => code,
        Err(error) => exit::report(&error, error_format),
    }
}

/// Starts the threads on which everything runs, runs the command, and leaves them.
fn start(args: Args) -> Result<ExitCode, Error> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the program's threads could not be started")
                .with_source(error)
        })?;
    let result = runtime.block_on(Box::pin(cmd::run(args)));
    // Whatever a command acknowledged is durable by now. A thread that still waits for input must
    // not keep the program from ending.
    runtime.shutdown_background();
    result
}
