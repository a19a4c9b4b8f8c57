//! Rounds in which contestants take turns, so that a machine that slows down slows all of them.

use std::time::{Duration, Instant};

use crate::Failure;

/// What one contestant reached, a figure for each round.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) of_rounds: Vec<f64>,
}

impl Figures {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), of_rounds: Vec::new() }
    }

    pub(crate) fn median(&self) -> f64 {
        median(&self.of_rounds)
    }

    /// Returns the greatest figure; of times the caller wants the least.
    pub(crate) fn greatest(&self) -> f64 {
        self.of_rounds.iter().copied().fold(f64::MIN, f64::max)
    }

    pub(crate) fn least(&self) -> f64 {
        self.of_rounds.iter().copied().fold(f64::MAX, f64::min)
    }

    /// Returns the median of the ratios to `other`, round by round: what changes from round to
    /// round changes both.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        let pairs = self.of_rounds.iter().zip(&other.of_rounds);
        median(&pairs.map(|(own, other)| own / other).collect::<Vec<_>>())
    }
}

/// A contestant's turn: it works and returns its figure.
pub(crate) type Turn<'a> = Box<dyn FnMut() -> Result<f64, Failure> + 'a>;

/// Lets everybody take turns; each round begins with another one.
pub(crate) fn take_turns(
    rounds: usize,
    mut contestants: Vec<(&str, Turn<'_>)>,
) -> Result<Vec<Figures>, Failure> {
    let mut figures: Vec<Figures> =
        contestants.iter().map(|(name, _)| Figures::new(name)).collect();
    let count = contestants.len();
    for round in 0..rounds {
        for place in 0..count {
            let at = (round + place) % count;
            let (contestant, figures) = (contestants.get_mut(at), figures.get_mut(at));
            if let (Some((_, turn)), Some(figures)) = (contestant, figures) {
                figures.of_rounds.push(turn()?);
            }
        }
    }
    Ok(figures)
}

/// Calls `step` for as long as a turn lasts and returns how often a second what it counts
/// happened.
pub(crate) fn rate(
    turn: Duration,
    mut step: impl FnMut() -> Result<u64, Failure>,
) -> Result<f64, Failure> {
    let begin = Instant::now();
    let mut count = 0;
    while begin.elapsed() < turn {
        count += step()?;
    }
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), middle.checked_sub(1).and_then(|below| sorted.get(below))) {
        (Some(upper), Some(lower)) if sorted.len().is_multiple_of(2) => {
            f64::midpoint(*lower, *upper)
        }
        (Some(upper), _) => *upper,
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn everybody_has_as_many_turns() {
        let contestants: Vec<(&str, Turn<'_>)> =
            vec![("a", Box::new(|| Ok(1.0))), ("b", Box::new(|| Ok(2.0)))];
        let figures = take_turns(3, contestants).unwrap();
        assert_eq!(figures[0].of_rounds, [1.0; 3]);
        assert_eq!(figures[1].of_rounds, [2.0; 3]);
        assert_eq!(figures[1].ratio_to(&figures[0]), 2.0);
    }
}
