//! HLS, DASH and MP4 boxes: bytes in, facts out. Pure.
