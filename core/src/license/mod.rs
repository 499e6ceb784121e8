//! Licences: how they are asked for, checked, kept and given back.
//!
//! | file | what |
//! |---|---|
//! | [`exchange`] | the network that an engine borrows for one conversation with its servers |
//! | [`wire`] | what licence servers speak: bytes in, bytes out |
//! | [`grant`] | whether what came back is a licence that is worth keeping |
//! | [`clearkey`] | the software ClearKey engine |

pub mod clearkey;
pub mod exchange;
pub mod grant;
pub mod wire;
