//! `FfiCancellation`, and cancelling by dropping a future.

use larder_core::Cancellation;

/// Stops a long call between two of its steps. See `larder.udl`.
#[derive(Default)]
pub struct FfiCancellation {
    flag: Cancellation,
}

impl FfiCancellation {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag.
    pub fn cancel(&self) {
        self.flag.cancel();
    }

    /// The core's own handle of the flag.
    pub(crate) fn flag(&self) -> Cancellation {
        self.flag.clone()
    }
}

/// Raises a flag when it is dropped before [`CancelOnDrop::disarm`]: a Kotlin coroutine that is cancelled drops its
/// future, and the operation behind it shall come to its clean end.
pub(crate) struct CancelOnDrop(Option<Cancellation>);

impl CancelOnDrop {
    pub(crate) fn new(flag: Cancellation) -> Self {
        Self(Some(flag))
    }

    /// The operation has ended: nothing is left to cancel.
    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(flag) = self.0.take() {
            flag.cancel();
        }
    }
}
