//! Seeded generators: the synthetic city, a whole event business of venues, artists, promoters and fans.
//!
//! [`generate`] plants heavy-tailed activity, weekly seasonality, sub-critical cascades, influencers, promoters of known
//! worth, duplicates, shared devices, late data and hidden rows, and returns the [`Truth`] beside the rows. [`BareGraph`] is
//! a graph of nothing but nodes and edges, to measure on, of any size.

mod addresses;
mod calendar;
mod chance;
mod city;
mod crm;
mod guest;
mod kronecker;
mod lines;
mod load;
mod names;
mod people;
mod programme;
mod register;
mod spread;
mod tables;
mod touches;
mod truth;

pub use city::{City, CityError, FEWEST_PEOPLE, Hidden, MOST_PEOPLE, generate, now};
pub use guest::{GUEST, Guest, GuestError};
pub use kronecker::{BareGraph, BareGraphError, Kind};
pub use load::{LoadError, LoadOptions, LoadedTable, load};
pub use truth::{Cascades, Channel, Counts, Duplicate, Influencer, PromoterTruth, SharedDevice, Truth};
