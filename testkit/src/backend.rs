//! What answers, apart from sockets: the origin, the licence servers, and all they share.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::http::{Request, Response};
use crate::origin::Origin;
use crate::seen::{RequestKind, Seen};

#[derive(Debug, Default)]
pub(crate) struct Backend {
    pub(crate) origin: Origin,
    pub(crate) seen: Seen,
    stopped: AtomicBool,
}

impl Backend {
    pub(crate) fn new(media_root: Option<&Path>) -> io::Result<Self> {
        let backend = Self::default();
        if let Some(folder) = media_root {
            backend.origin.mount("/media", folder);
        }
        Ok(backend)
    }

    pub(crate) fn set_stopped(&self, stopped: bool) {
        self.stopped.store(stopped, Ordering::SeqCst);
    }

    pub(crate) fn should_listen(&self) -> bool {
        !self.stopped.load(Ordering::SeqCst)
    }

    pub(crate) fn kind(&self, _request: &Request) -> RequestKind {
        RequestKind::Other
    }

    pub(crate) fn answer(&self, request: &Request) -> Response {
        self.origin.answer(request)
    }
}
