//! Where facts come from.
//!
//! Every source system is read into its own [`rows`], which are turned into [`facts`], the one vocabulary that the
//! mirror understands: things, links, touches, identities and claims, with addresses as raw as the source holds them.

pub mod facts;
pub mod falkordb;
pub mod postgres;
pub mod rows;
pub mod synthetic;
