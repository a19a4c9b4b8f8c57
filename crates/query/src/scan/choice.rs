//! Where each condition of a scan is checked, decided from the share of rows that pass it. Pure.

/// A condition is checked while decoding where rows of no more than this share of batches pass it.
/// Then most pages of the other columns are never decoded. Where rows of every page are wanted, all are,
/// and picking rows out of them costs more than it saves, however few there are.
pub(super) const EARLY_MAX: f64 = 0.3;
/// The rows of a batch.
pub(super) const BATCH_ROWS: f64 = 8_192.0;
/// A hint is checked after decoding where no more than this share of rows passes it: a row costs
/// about as much to check here as it costs the node that handed the hint down.
const HINT_MAX: f64 = 0.5;

/// What is known of a condition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Whether the scan may leave it out.
    pub(super) is_hint: bool,
    /// Whether it may be checked before others.
    pub(super) may_be_early: bool,
    /// The share of rows that passed, or that is expected to.
    pub(super) passing: Option<f64>,
    /// The share of batches of which rows passed, or are expected to.
    pub(super) touched: Option<f64>,
}

/// Where a condition is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// While decoding, before the other columns.
    Early,
    /// After decoding.
    After,
    /// After decoding, of a few rows, so that it is known how many pass.
    Sampled,
}

/// Returns where each condition is checked in the next part.
pub(super) fn choose(conditions: &[Known]) -> Vec<Place> {
    conditions.iter().map(|known| place(*known)).collect()
}

fn place(known: Known) -> Place {
    if known.may_be_early && known.touched.is_some_and(|share| share <= EARLY_MAX) {
        return Place::Early;
    }
    match known.passing {
        Some(share) if share <= HINT_MAX => Place::After,
        _ if known.is_hint => Place::Sampled,
        _ => Place::After,
    }
}
