//! The slowest puts while garbage is collected, beside those when it is not.

use crate::Failure;
use crate::arguments::Arguments;
use crate::folder::Folder;
use crate::report::Report;

pub(crate) fn measure(
    _arguments: &Arguments,
    _folder: &Folder,
    report: &mut Report,
) -> Result<(), Failure> {
    report.skip("p99 of durable puts while garbage is collected", "the store collects none yet");
    Ok(())
}
