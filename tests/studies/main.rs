//! The studies, asked of small graphs whose answers can be worked out by hand.

mod answers;
mod city;
mod davis;
mod paths;
mod town;
