//! `cidlake demo`: everything at once, on tables that it makes itself.
//!
//! The steps are in `steps.rs`, the generated tables in `tables.rs`, what is told of them in
//! `report.rs`. The user's own lake is not touched: without --lake the demo has a folder, and a
//! signing key, of its own.

mod report;
mod steps;
mod tables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cidlake::{Error, ErrorKind, Open, Overrides};
use tempfile::TempDir;

use self::report::{people, rows};
use super::{Context, quoted};
use crate::exit;
use crate::output::object;

/// Generated data grows with the scale, to about a gigabyte at 1.
const SCALE_DEFAULT: &str = "0.1";
const SCALE_MIN: f64 = 0.001;
const SCALE_MAX: f64 = 100.0;

/// Show what this program does on generated TPC-H tables
///
/// Generates and stores the eight tables, queries them, reads one by columns and filter and one
/// by CID, stores the largest again to show that nothing new is written, and checks every block.
/// It works in a temporary folder unless --lake names a lake; there its tables are in the
/// namespace demo.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake demo
  cidlake demo --scale 1 --keep
  cidlake --lake play demo --format json")]
pub(crate) struct DemoArgs {
    /// The scale factor of TPC-H, from 0.001 to 100
    #[arg(long, value_name = "FACTOR", default_value = SCALE_DEFAULT, value_parser = scale)]
    scale: f64,
    /// Leave the temporary lake where it is
    #[arg(long)]
    keep: bool,
}

pub(super) async fn run(context: &Context, args: &DemoArgs) -> Result<ExitCode, Error> {
    let output = context.output()?;
    let place = Place::choose(context.global.lake.as_deref(), args.keep)?;
    let lake = context.open_with(place.overrides(), Open::Create).await?;
    let report = steps::run(context, &lake, args.scale).await?;
    lake.close().await?;
    object(&output, &report, &rows(&report), || people(&report))?;
    if output.for_people() {
        context.say(&format!("\n{}", place.next()));
    }
    Ok(if report.check.success { ExitCode::SUCCESS } else { ExitCode::from(exit::CORRUPT) })
}

/// The folder in which the demo works.
enum Place {
    /// A lake that the user named; the user's key signs.
    Named(PathBuf),
    /// A folder that is left behind.
    Kept(PathBuf),
    /// A folder that goes when this is dropped.
    Temporary(TempDir),
}

impl Place {
    fn choose(lake: Option<&Path>, keep: bool) -> Result<Self, Error> {
        if let Some(lake) = lake {
            return Ok(Self::Named(lake.to_owned()));
        }
        let folder =
            tempfile::Builder::new().prefix("cidlake-demo-").tempdir().map_err(|error| {
                Error::new(ErrorKind::Unavailable, "a temporary folder could not be made")
                    .with_source(error)
                    .with_hint("set TMPDIR, or name a lake with --lake DIR")
            })?;
        Ok(if keep { Self::Kept(folder.keep()) } else { Self::Temporary(folder) })
    }

    fn overrides(&self) -> Overrides {
        let own = |folder: &Path| Overrides {
            lake: Some(folder.join("lake")),
            key_file: Some(folder.join("signing.key")),
            ..Overrides::default()
        };
        match self {
            Self::Named(_) => Overrides::default(),
            Self::Kept(folder) => own(folder),
            Self::Temporary(folder) => own(folder.path()),
        }
    }

    /// Says what to do next.
    fn next(&self) -> String {
        let query = "sql 'SELECT * FROM demo.nation'";
        match self {
            Self::Named(lake) => format!("next: cidlake --lake {} {query}", quoted(lake)),
            Self::Kept(folder) => {
                format!("next: cidlake --lake {} {query}", quoted(&folder.join("lake")))
            }
            Self::Temporary(_) => "the temporary lake is gone again; --keep leaves it\n\
                 next: cidlake store FILE --name NAME"
                .to_owned(),
        }
    }
}

fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|_| "write a number such as 0.1".to_owned())?;
    if (SCALE_MIN..=SCALE_MAX).contains(&scale) {
        Ok(scale)
    } else {
        Err(format!("write a number from {SCALE_MIN} to {SCALE_MAX}"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Place, SCALE_DEFAULT, scale};

    #[test]
    fn the_scale_has_bounds() {
        assert_eq!(scale(SCALE_DEFAULT), Ok(0.1));
        for wrong in ["0", "-1", "101", "NaN", "inf", "x"] {
            assert!(scale(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_a_named_lake_the_key_is_its_own_as_well() {
        let place = Place::choose(None, false).unwrap();
        let overrides = place.overrides();
        assert!(overrides.lake.is_some() && overrides.key_file.is_some());
        let named = Place::choose(Some(Path::new("x")), true).unwrap().overrides();
        assert!(named.lake.is_none() && named.key_file.is_none());
    }
}
