//! A store from outside: its promises, with crashes, faults and company.

mod support;

mod basics;
mod company;
mod crash;
mod damage;
mod faults;
mod formats;
mod gc;
mod gc_crash;
mod gc_model;
mod gc_races;
mod model;
mod packs;
mod races;
