//! Choices that a seed decides, and what the environment says of how many are tried.

/// A repeatable source of choices (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice for one of many things that a seed decides.
    pub fn of(parts: &[u64]) -> Self {
        parts.iter().fold(Self(0x5eed), |mut dice, part| Self(dice.next() ^ *part))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0 where there is none.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub fn coin(&mut self) -> bool {
        self.below(2) == 1
    }

    /// One of `choices`, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let mut at = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if at < *weight {
                return *choice;
            }
            at -= weight;
        }
        choices[0].1
    }
}

/// How often something is tried: what the variable `name` says, else `otherwise`.
pub fn times(name: &str, otherwise: u64) -> u64 {
    std::env::var_os(name).map_or(otherwise, |value| {
        let value = value.to_string_lossy();
        value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}"))
    })
}
