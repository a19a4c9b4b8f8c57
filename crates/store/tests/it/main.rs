//! A store from outside: its promises, with crashes, faults and company.

mod dice;
mod support;
mod watched;

mod basics;
mod checkpoints;
mod company;
mod crash;
mod cursor;
mod damage;
mod damaged;
mod durable;
mod faults;
mod formats;
mod formats_queue;
mod gc;
mod gc_copies;
mod gc_crash;
mod gc_model;
mod gc_races;
#[cfg(target_os = "linux")]
mod image;
mod kill;
mod midx;
mod model;
mod packs;
mod paused;
mod proven;
mod queue;
mod races;
mod repair;
mod repair_checkpoints;
mod repair_packs;
mod sealed;
mod simulation;
