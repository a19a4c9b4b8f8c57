//! What the user asked for.

use std::path::PathBuf;
use std::time::Duration;

use crate::Failure;

pub(crate) const USAGE: &str = "\
usage: cidlake-bench-durability WHAT [OPTIONS]

WHAT
  one        one writer, 256-byte records, each durable before the next
  many       many threads, each record durable before its thread goes on
  batch      one writer, 256 records at a time
  puts       blocks of 4 KiB and 1 MiB made durable
  gets       verified reads in random order, pages warm, block cache off
  recovery   opening a long log, and a lake of many blocks
  collect    the slowest puts while garbage is collected
  queue      operations queued by many threads, run by a worker, and a long queue
  all        all of these

OPTIONS
  --dir DIR          where to work: a folder on a real disk [the system's temporary folder]
  --seconds S        how long each contestant runs in a round [3]
  --rounds N         rounds, in which contestants take turns [5]
  --threads N        writers of `many` and `queue` [64]
  --blocks N         blocks of `gets` (4 KiB) and `recovery`, operations of `queue` [1000000]
  --large-blocks N   blocks of `gets` (38 KB) [100000]
  --mebibytes N      bytes of `puts` in a round, and of the log of `recovery`, in MiB [256]
  --seed N           what all data is made from [1]
  --in-memory        let DIR be in memory, where nothing is durable: shows what the stores themselves
                     cost, and judges nothing
  --json FILE        write the figures there, too";

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    One,
    Many,
    Batch,
    Puts,
    Gets,
    Recovery,
    Collect,
    Queue,
    All,
}

impl What {
    const SINGLE: [(&'static str, Self); 8] = [
        ("one", Self::One),
        ("many", Self::Many),
        ("batch", Self::Batch),
        ("puts", Self::Puts),
        ("gets", Self::Gets),
        ("recovery", Self::Recovery),
        ("collect", Self::Collect),
        ("queue", Self::Queue),
    ];

    fn parse(word: &str) -> Option<Self> {
        let mut known = Self::SINGLE.into_iter().chain([("all", Self::All)]);
        known.find_map(|(name, what)| (name == word).then_some(what))
    }

    /// Returns the lines that this stands for.
    pub(crate) fn parts(self) -> Vec<Self> {
        match self {
            Self::All => Self::SINGLE.into_iter().map(|(_, what)| what).collect(),
            single => vec![single],
        }
    }
}

/// The command line.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) what: What,
    pub(crate) dir: PathBuf,
    /// Whether `dir` may be in memory.
    pub(crate) in_memory: bool,
    /// How long each contestant runs in a round.
    pub(crate) turn: Duration,
    pub(crate) rounds: usize,
    pub(crate) threads: usize,
    pub(crate) blocks: usize,
    pub(crate) large_blocks: usize,
    pub(crate) mebibytes: usize,
    pub(crate) seed: u64,
    pub(crate) json: Option<PathBuf>,
}

impl Arguments {
    /// Reads the command line; none when help is asked for.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Option<Self>, Failure> {
        let mut arguments = Self {
            what: What::All,
            dir: std::env::temp_dir(),
            in_memory: false,
            turn: Duration::from_secs(3),
            rounds: 5,
            threads: 64,
            blocks: 1_000_000,
            large_blocks: 100_000,
            mebibytes: 256,
            seed: 1,
            json: None,
        };
        let mut words = words;
        let mut what = None;
        while let Some(word) = words.next() {
            if word == "--help" || word == "-h" {
                return Ok(None);
            }
            if word == "--in-memory" {
                arguments.in_memory = true;
            } else if let Some(option) = word.strip_prefix("--") {
                let value = words.next().ok_or_else(|| format!("--{option} needs a value"))?;
                arguments.set(option, &value)?;
            } else {
                let known = What::parse(&word).ok_or_else(|| format!("what is `{word}`?"))?;
                what = Some(known);
            }
        }
        let Some(what) = what else { return Ok(None) };
        arguments.what = what;
        Ok(Some(arguments))
    }

    fn set(&mut self, option: &str, value: &str) -> Result<(), Failure> {
        let number = || at_least_one(option, value);
        match option {
            "dir" => self.dir = PathBuf::from(value),
            "json" => self.json = Some(PathBuf::from(value)),
            "seconds" => self.turn = Duration::try_from_secs_f64(value.parse()?)?,
            "rounds" => self.rounds = number()?,
            "threads" => self.threads = number()?,
            "blocks" => self.blocks = number()?,
            "large-blocks" => self.large_blocks = number()?,
            "mebibytes" => self.mebibytes = number()?,
            "seed" => self.seed = value.parse()?,
            _ => return Err(format!("there is no --{option}").into()),
        }
        Ok(())
    }
}

fn at_least_one(option: &str, value: &str) -> Result<usize, Failure> {
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("--{option} is a whole number from 1 on, not `{value}`").into()),
    }
}
