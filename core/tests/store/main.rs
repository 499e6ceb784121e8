//! The store through its public API: what it keeps, what it survives, and what it refuses.

mod rows;
mod samples;
