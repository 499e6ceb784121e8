//! Numbers cross the line signed: Java has no others, and Kotlin hides members with unsigned ones from it. What is too
//! large for that, or negative on the way in, is none of ours and is brought to the nearest that is.

pub(super) fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(super) fn signed_64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

pub(super) fn unsigned_64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
