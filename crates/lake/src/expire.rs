//! Letting go of old versions of a dataset.
//!
//! One record of the log says which version is the oldest that is kept. Nothing is taken away
//! here: what no version, pin or other dataset keeps goes with the next garbage collection.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use cidlake_block::Cid;
use cidlake_catalog::{Name, parse_time};

use crate::clock::now_ms;
use crate::error::Error;
use crate::history::parse_name;
use crate::lake::{Draft, Inner, Lake, View};
use crate::versions::Version;

const HOUR_MS: u64 = 60 * 60 * 1_000;

/// Which versions of a dataset to keep. The newest one always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many of the newest.
    Versions(NonZeroU64),
    /// What the name meant at any moment of the last so many milliseconds.
    Within {
        /// The span of time.
        ms: u64,
    },
    /// What the name meant at this moment or any later one.
    Since {
        /// Milliseconds since the Unix epoch.
        unix_ms: u64,
    },
}

impl Keep {
    /// Parses `5` (versions), `36h`, `30d` or `8w` (a span of time up to now), or a date or time
    /// as in `name@TIME`.
    ///
    /// # Errors
    /// `Usage` for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > 8 && text.contains('-') {
            let unix_ms = parse_time(text).map_err(|error| bad_keep(text).with_source(error))?;
            return Ok(Self::Since { unix_ms });
        }
        let hours = match text.chars().last() {
            Some('h') => 1,
            Some('d') => 24,
            Some('w') => 7 * 24,
            _ => return versions(text).map(Self::Versions),
        };
        let number = versions(text.get(..text.len() - 1).unwrap_or_default())?;
        let ms = number.get().checked_mul(hours * HOUR_MS).ok_or_else(|| bad_keep(text))?;
        Ok(Self::Within { ms })
    }
}

fn versions(text: &str) -> Result<NonZeroU64, Error> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or_else(|| bad_keep(text))
}

fn bad_keep(text: &str) -> Error {
    Error::usage(format!("{text:?} does not say what to keep")).with_hint(
        "write a number of versions (5), a span of time (36h, 30d, 8w), or a date (2026-01-31)",
    )
}

/// What was let go of a dataset, or would be.
#[derive(Clone, Debug)]
pub struct Expired {
    /// The dataset.
    pub name: String,
    /// The oldest version that it keeps.
    pub oldest: Cid,
    /// When that was made, in milliseconds since the Unix epoch.
    pub oldest_time_ms: u64,
    /// Versions that it keeps.
    pub versions_kept: u64,
    /// Versions that it lets go.
    pub versions_expired: u64,
    /// How many of these have a tag: they stay, and are had by it alone.
    pub versions_tagged: u64,
    /// Whether nothing was done.
    pub dry_run: bool,
}

impl Lake {
    /// Lets go of the versions of a dataset that `keep` does not name. Versions that were let go
    /// before do not come back. What has a tag stays, and is had by its tag.
    ///
    /// # Errors
    /// `NotFound` when no dataset has the name.
    pub async fn expire(&self, name: &str, keep: Keep, dry_run: bool) -> Result<Expired, Error> {
        let name = parse_name(name)?;
        self.blocking(move |inner| inner.expire(&name, keep, dry_run)).await
    }
}

impl Inner {
    fn expire(&self, name: &Name, keep: Keep, dry_run: bool) -> Result<Expired, Error> {
        let hold = self.hold()?;
        let known = self.refresh()?.catalog.get(name).is_some();
        if !known {
            return Err(self.unknown(name));
        }
        let now_ms = now_ms();
        let (expired, _) = self.change(&hold, |view| {
            let mut expired = self.draft_expiry(view, name, keep, now_ms)?;
            expired.dry_run = dry_run;
            let nothing = dry_run || expired.versions_expired == 0;
            let expiries = vec![(name.clone(), expired.oldest)];
            Ok((expired, (!nothing).then(|| Draft { expiries, ..Draft::default() })))
        })?;
        Ok(expired)
    }

    fn draft_expiry(
        &self,
        view: &View,
        name: &Name,
        keep: Keep,
        now_ms: u64,
    ) -> Result<Expired, Error> {
        let gone = || Error::not_found(format!("no dataset is named {name}"));
        let head = view.catalog.get(name).ok_or_else(gone)?.commit;
        let versions = self.versions(&head, view.expired.get(name).copied())?;
        let kept = kept(&versions, keep, now_ms);
        let oldest = kept.checked_sub(1).and_then(|last| versions.get(last)).copied();
        let oldest = oldest.ok_or_else(|| {
            Error::corrupt(format!("the newest version of {name}, {head}, cannot be read"))
        })?;
        let tagged: BTreeSet<Cid> =
            view.catalog.tags(name).into_iter().map(|entry| entry.commit).collect();
        let gone = versions.iter().skip(kept);
        let versions_tagged = gone.filter(|version| tagged.contains(&version.cid)).count() as u64;
        Ok(Expired {
            name: name.to_string(),
            oldest: oldest.cid,
            oldest_time_ms: oldest.time_ms,
            versions_kept: kept as u64,
            versions_expired: (versions.len() - kept) as u64,
            versions_tagged,
            dry_run: false,
        })
    }
}

/// Returns how many of `versions`, newest first, are kept: those that a name could mean.
fn kept(versions: &[Version], keep: Keep, now_ms: u64) -> usize {
    let since_ms = match keep {
        Keep::Versions(number) => {
            return usize::try_from(number.get()).unwrap_or(usize::MAX).min(versions.len());
        }
        Keep::Within { ms } => now_ms.saturating_sub(ms),
        Keep::Since { unix_ms } => unix_ms,
    };
    // The first one that is as old is what the name meant at that moment.
    let before = versions.iter().position(|version| version.time_ms <= since_ms);
    before.map_or(versions.len(), |index| index + 1)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use cidlake_block::{Codec, cid_of};

    use super::{Keep, kept};
    use crate::ErrorKind;
    use crate::versions::Version;

    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

    #[test]
    fn what_to_keep_is_a_number_a_span_or_a_moment() {
        let number = |number| Keep::Versions(NonZeroU64::new(number).unwrap());
        let table = [
            ("5", number(5)),
            ("36h", Keep::Within { ms: 36 * 60 * 60 * 1_000 }),
            ("30d", Keep::Within { ms: 30 * DAY_MS }),
            ("2w", Keep::Within { ms: 14 * DAY_MS }),
            ("1970-01-02", Keep::Since { unix_ms: DAY_MS }),
            ("1970-01-01T00:00:01Z", Keep::Since { unix_ms: 1_000 }),
        ];
        for (text, expected) in table {
            assert_eq!(Keep::parse(text).unwrap(), expected, "{text}");
        }
        let bad = ["", "0", "-1", "+1", "d", "0d", "5m", "5 d", "all", "2026-13-01", "1é", "é"];
        for text in bad.into_iter().chain(["18446744073709551615w", "18446744073709551616"]) {
            assert_eq!(Keep::parse(text).unwrap_err().kind(), ErrorKind::Usage, "{text:?}");
        }
    }

    #[test]
    fn the_newest_is_kept_and_whatever_the_name_meant_since() {
        // Newest first: made at 40, 30, 20 and 10.
        let versions: Vec<Version> = [40, 30, 20, 10]
            .map(|time_ms| Version { cid: cid_of(Codec::Raw, &[1]), time_ms })
            .into();
        let number = |number| Keep::Versions(NonZeroU64::new(number).unwrap());
        let table = [
            (number(1), 1),
            (number(3), 3),
            (number(9), 4),
            (Keep::Since { unix_ms: 50 }, 1),
            (Keep::Since { unix_ms: 30 }, 2),
            // At 29 the name meant the version made at 20.
            (Keep::Since { unix_ms: 29 }, 3),
            (Keep::Since { unix_ms: 0 }, 4),
            (Keep::Within { ms: 0 }, 1),
            (Keep::Within { ms: 15 }, 2),
            (Keep::Within { ms: u64::MAX }, 4),
        ];
        for (keep, expected) in table {
            assert_eq!(kept(&versions, keep, 45), expected, "{keep:?}");
        }
    }
}
