//! Which promoters turn interest into attendance.

pub mod beta_binomial;
pub mod intervals;
pub mod promoters;
