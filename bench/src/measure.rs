//! Subject and peer in short turns, so that what else the machine does meets both, and the best turn of each: what the
//! code costs, not what it had to wait for.

use std::time::Instant;

/// How often each is done.
pub(crate) struct Turns {
    /// Turns that are timed, after one that is not.
    pub(crate) count: usize,
    /// Calls in one turn.
    pub(crate) calls: u32,
}

/// Nanoseconds per call of the subject and of its peer.
pub(crate) fn in_turns<E>(
    turns: &Turns,
    mut subject: impl FnMut() -> Result<(), E>,
    mut peer: impl FnMut() -> Result<(), E>,
) -> Result<(f64, f64), E> {
    let (mut subject_ns, mut peer_ns) = (Vec::new(), Vec::new());
    for turn in 0..=turns.count {
        let a = once(turns.calls, &mut subject)?;
        let b = once(turns.calls, &mut peer)?;
        // The first turn fills caches.
        if turn > 0 {
            subject_ns.push(a);
            peer_ns.push(b);
        }
    }
    Ok((best(&subject_ns), best(&peer_ns)))
}

fn once<E>(calls: u32, act: &mut impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let begun = Instant::now();
    for _ in 0..calls {
        act()?;
    }
    Ok(begun.elapsed().as_nanos() as f64 / f64::from(calls))
}

/// The shortest one.
pub(crate) fn best(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}
