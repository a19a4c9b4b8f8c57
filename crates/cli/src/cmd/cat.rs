//! `cidlake cat`: the bytes of a file, as they are.

use std::io::Write as _;
use std::ops::Range;

use cidlake::{Error, ErrorKind, Open};
use futures::StreamExt as _;

use super::Context;

/// Write the bytes of a file to standard output
///
/// Every piece is verified against its CID before it is written. --format does not matter here.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cidlake cat bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy
  cidlake cat bafybeig3gqizrl2lyawywu4o3h3khxwmugsb3mqy7bhwocv4zsq7lp7fl4/hello.txt
  cidlake cat CID --range 0-99        # the first hundred bytes
  cidlake cat CID --offset 1000 --length 24")]
pub(crate) struct CatArgs {
    /// A CID, with a path below it where it is a folder
    #[arg(value_name = "CID[/PATH]")]
    target: String,
    /// From the first to the last of these bytes, counted from 0; without a last one to the end
    #[arg(
        long,
        value_name = "FIRST-[LAST]",
        value_parser = byte_range,
        conflicts_with_all = ["offset", "length"]
    )]
    range: Option<Range<u64>>,
    /// Begin behind so many bytes
    #[arg(long, value_name = "BYTES")]
    offset: Option<u64>,
    /// Write no more than so many bytes
    #[arg(long, value_name = "BYTES")]
    length: Option<u64>,
}

pub(super) async fn run(context: &Context, args: CatArgs) -> Result<(), Error> {
    let lake = context.open(Open::Existing).await?;
    let range = args.range.or_else(|| span(args.offset, args.length));
    let mut pieces = lake.cat(&args.target, range).await?;
    let fail = |error| {
        Error::new(ErrorKind::Unavailable, "cannot write to standard output").with_source(error)
    };
    let mut out = std::io::stdout();
    while let Some(piece) = pieces.next().await {
        out.write_all(&piece?).map_err(fail)?;
    }
    out.flush().map_err(fail)
}

/// Returns the bytes that an offset and a length mean; `None` for all of them.
fn span(offset: Option<u64>, length: Option<u64>) -> Option<Range<u64>> {
    if offset.is_none() && length.is_none() {
        return None;
    }
    let start = offset.unwrap_or_default();
    Some(start..length.map_or(u64::MAX, |length| start.saturating_add(length)))
}

/// Parses `FIRST-LAST` or `FIRST-`, both ends included, as HTTP writes them.
fn byte_range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || "write FIRST-LAST or FIRST-, such as 0-99".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let first: u64 = first.parse().map_err(|_| wrong())?;
    if last.is_empty() {
        return Ok(first..u64::MAX);
    }
    let last: u64 = last.parse().map_err(|_| wrong())?;
    if last < first {
        return Err("the last byte lies before the first".to_owned());
    }
    Ok(first..last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::{byte_range, span};

    #[test]
    fn ranges_include_both_ends() {
        assert_eq!(byte_range("0-99"), Ok(0..100));
        assert_eq!(byte_range("5-5"), Ok(5..6));
        assert_eq!(byte_range("7-"), Ok(7..u64::MAX));
        for wrong in ["", "-", "-5", "9-3", "a-b", "1", "1-2-3"] {
            assert!(byte_range(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_offset_and_a_length_are_a_range() {
        assert_eq!(span(None, None), None);
        assert_eq!(span(Some(10), Some(5)), Some(10..15));
        assert_eq!(span(None, Some(5)), Some(0..5));
        assert_eq!(span(Some(u64::MAX), Some(5)), Some(u64::MAX..u64::MAX));
    }
}
