//! `cidlake doctor`: what is wrong with a lake and its machine, and what to do about it.

use std::process::ExitCode;

use cidlake::{CheckStatus, Diagnosis, Error, Lake, Overrides};

use super::Context;
use crate::exit;
use crate::output::{fields, object};
use crate::wire::DoctorWire;

/// Say what is wrong with the lake and this machine, and what to do
///
/// It looks at settings, key, clock, folder, free room, locks, log, packs and catalog, also of a
/// lake that does not open. Ends with 4 where something does not work, else with 0. Stored bytes
/// are not read: that is `cidlake fsck --full`. As rows it is the list of checks.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake doctor
  cidlake doctor --format json | jq '.checks[] | select(.status != \"ok\")'")]
pub(crate) struct DoctorArgs {}

pub(super) async fn run(context: &Context, DoctorArgs {}: &DoctorArgs) -> Result<ExitCode, Error> {
    let output = context.output()?;
    let overrides = Overrides { lake: context.global.lake.clone(), ..Overrides::default() };
    let diagnosis = Lake::doctor(overrides).await?;
    let wire = DoctorWire::from(&diagnosis);
    object(&output, &wire, &wire.checks, || people(&diagnosis, &wire))?;
    Ok(match diagnosis.worst() {
        CheckStatus::Bad => ExitCode::from(exit::CORRUPT),
        CheckStatus::Ok | CheckStatus::Warn => ExitCode::SUCCESS,
    })
}

fn people(diagnosis: &Diagnosis, wire: &DoctorWire) -> String {
    let lines = wire.checks.iter().map(|check| {
        let advice = check.advice.as_ref().map(|advice| format!(" → {advice}"));
        let found = format!("{:<4}  {}{}", check.status, check.detail, advice.unwrap_or_default());
        (check.what, found)
    });
    let said = match diagnosis.worst() {
        CheckStatus::Ok => "all is well",
        CheckStatus::Warn => "it works; some things could be better",
        CheckStatus::Bad => "something does not work",
    };
    format!("{}\n{said}\n", fields(lines))
}
