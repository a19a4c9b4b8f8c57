//! What durability costs: our store beside the raw disk and three embedded stores, measured in
//! turn in one run, with equal data and equal durability. Never part of the tests.
//!
//! Each subcommand is one line of the table in `README.md`. It measures the store alone, below
//! catalog and tables.

mod arguments;
mod collect;
mod commits;
mod folder;
mod gets;
mod ours;
mod puts;
mod queue;
mod random;
mod raw;
mod recovery;
mod report;
mod rivals;
mod rounds;

use std::process::ExitCode;

use self::arguments::{Arguments, What};
use self::folder::Folder;
use self::report::Report;

/// Whatever stops a measurement; it ends the program.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let Some(arguments) = Arguments::parse(std::env::args().skip(1))? else {
        println!("{}", arguments::USAGE);
        return Ok(());
    };
    let folder = Folder::make(&arguments.dir, arguments.in_memory)?;
    let mut report = Report::new(&arguments, folder.file_system());
    for what in arguments.what.parts() {
        measure(what, &arguments, &folder, &mut report)?;
    }
    if let Some(path) = &arguments.json {
        std::fs::write(path, report.to_json())?;
    }
    Ok(())
}

fn measure(
    what: What,
    arguments: &Arguments,
    folder: &Folder,
    report: &mut Report,
) -> Result<(), Failure> {
    match what {
        What::One => commits::one(arguments, folder, report),
        What::Many => commits::many(arguments, folder, report),
        What::Batch => commits::batch(arguments, folder, report),
        What::Puts => puts::measure(arguments, folder, report),
        What::Gets => gets::measure(arguments, folder, report),
        What::Recovery => recovery::measure(arguments, folder, report),
        What::Queue => queue::measure(arguments, folder, report),
        What::Collect => collect::measure(arguments, folder, report),
        What::All => Ok(()),
    }
}
