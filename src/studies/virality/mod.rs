//! What spreads, how far, and who starts it.

pub mod cascade_forest;
pub mod structural_virality;
