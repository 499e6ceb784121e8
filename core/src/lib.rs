//! Larder: offline playback for mobile apps.
