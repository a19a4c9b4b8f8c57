//! A store from outside: its promises, with crashes, faults and company.

mod support;

mod basics;
mod company;
mod crash;
mod damage;
mod faults;
mod formats;
mod midx;
mod model;
mod packs;
mod races;
