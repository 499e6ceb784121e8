//! The test servers, the scripted CDMs that talk to them, and the proof that keys decrypt.

mod admin;
mod clearkey;
mod fairplay;
mod faults;
mod origin;
mod playback;
mod scripted_fairplay;
mod scripted_widevine;
mod widevine;

#[path = "../client/mod.rs"]
mod client;
#[path = "../exchange/mod.rs"]
mod exchange;
