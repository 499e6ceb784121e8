//! Between an engine and its servers: exchanges, wire formats, the app's code in between, the network below.

mod app_code;
mod clearkey;
mod exchange;
mod faults;
mod network;
mod transport;

#[path = "../servers/mod.rs"]
mod servers;
