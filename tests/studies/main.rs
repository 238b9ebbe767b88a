//! The studies, asked of small graphs whose answers can be worked out by hand.

mod answers;
mod davis;
mod town;
