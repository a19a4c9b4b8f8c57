//! The table for people and the file for programs.

use std::fmt::Write as _;

use crate::arguments::Arguments;
use crate::rounds::Figures;

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    head: String,
    /// Whether targets are held against what was reached.
    judges: bool,
    lines: Vec<String>,
}

/// What a figure should be.
#[derive(Debug)]
pub(crate) struct Target {
    /// In words, such as `of raw fdatasync`.
    pub(crate) what: &'static str,
    pub(crate) reached: f64,
    pub(crate) wanted: Wanted,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    AtLeast(f64),
    LessThan(f64),
}

impl Wanted {
    fn is_met(self, reached: f64) -> bool {
        match self {
            Self::AtLeast(least) => reached >= least,
            Self::LessThan(limit) => reached < limit,
        }
    }

    fn sign(self) -> (&'static str, f64) {
        match self {
            Self::AtLeast(least) => (">=", least),
            Self::LessThan(limit) => ("<", limit),
        }
    }
}

impl Report {
    pub(crate) fn new(arguments: &Arguments, file_system: &str) -> Self {
        let Arguments { turn, rounds, seed, .. } = arguments;
        let seconds = turn.as_secs_f64();
        println!("{rounds} rounds of {seconds} s, seed {seed}, on {file_system}");
        let head = format!(
            "\"rounds\":{rounds},\"seconds\":{seconds},\"seed\":{seed},\"file_system\":{}",
            quoted(file_system)
        );
        Self { head, judges: !arguments.in_memory, lines: Vec::new() }
    }

    /// Prints one measurement and keeps it.
    pub(crate) fn add(&mut self, title: &str, unit: &str, figures: &[Figures], targets: &[Target]) {
        println!("\n{title}");
        for of_one in figures {
            let (median, least, greatest) = (of_one.median(), of_one.least(), of_one.greatest());
            let name = &of_one.name;
            println!("  {name:<34} {median:>12.1} {unit}  ({least:.1} to {greatest:.1})");
        }
        for Target { what, reached, wanted } in targets {
            let (sign, limit) = wanted.sign();
            let verdict = match (self.judges, wanted.is_met(*reached)) {
                (false, _) => "not judged in memory",
                (true, true) => "met",
                (true, false) => "MISSED",
            };
            println!("  {what:<34} {reached:>12.2} {sign} {limit}: {verdict}");
        }
        self.lines.push(to_json(title, unit, figures, targets, self.judges));
    }

    /// Returns everything as JSON.
    pub(crate) fn to_json(&self) -> String {
        format!("{{{},\"lines\":[\n{}\n]}}\n", self.head, self.lines.join(",\n"))
    }
}

fn to_json(
    title: &str,
    unit: &str,
    figures: &[Figures],
    targets: &[Target],
    judges: bool,
) -> String {
    let mut json = format!("{{\"title\":{},\"unit\":{},\"figures\":[", quoted(title), quoted(unit));
    for (at, Figures { name, of_rounds }) in figures.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _infallible =
            write!(json, "{comma}{{\"name\":{},\"rounds\":{of_rounds:?}}}", quoted(name));
    }
    json.push_str("],\"targets\":[");
    for (at, Target { what, reached, wanted }) in targets.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let (sign, limit) = wanted.sign();
        let is_met = judges.then(|| wanted.is_met(*reached));
        let is_met = is_met.map_or("null".to_owned(), |is_met| is_met.to_string());
        let _infallible = write!(
            json,
            "{comma}{{\"what\":{},\"reached\":{reached},\"sign\":\"{sign}\",\"limit\":{limit},\
             \"met\":{is_met}}}",
            quoted(what)
        );
    }
    json.push_str("]}");
    json
}

/// Returns `text` as a JSON string; what is quoted here has no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
