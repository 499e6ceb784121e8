//! One connection: read a request, answer it, again.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::backend::Backend;
use crate::http::{Delivery, ReadError, Request, RequestReader, Response, Then, write_response};

/// Which of the two doors a connection came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Public,
    Admin,
}

pub(crate) async fn serve(mut stream: TcpStream, backend: Arc<Backend>, door: Door) {
    // Small responses must not wait for the client's delayed ACK.
    let _ = stream.set_nodelay(true);
    if door == Door::Public {
        backend.seen.connection();
    }
    let mut reader = RequestReader::default();
    let then = loop {
        let request = match reader.next(&mut stream).await {
            Ok(Some(request)) => request,
            Ok(None) | Err(ReadError::Io) => return,
            Err(ReadError::Refused(status)) => {
                let response = Response::text(status, "this is not a request that the testkit takes");
                let _ = write_response(&mut stream, &Request::default(), &response, &Delivery::default()).await;
                break Then::Close;
            }
        };
        match exchange(&mut stream, &backend, door, &request).await {
            Ok(Then::KeepAlive) => {}
            Ok(then) => break then,
            Err(_) => return,
        }
    };
    match then {
        Then::Reset => {
            let _ = stream.set_zero_linger();
        }
        Then::Close | Then::KeepAlive => {
            // Closing with unread bytes would send a reset and could destroy the answer on its way.
            let _ = stream.shutdown().await;
            let _ = tokio::time::timeout(Duration::from_secs(1), drain(&mut stream)).await;
        }
    }
}

async fn exchange(stream: &mut TcpStream, backend: &Backend, door: Door, request: &Request) -> std::io::Result<Then> {
    let _ = door;
    backend.seen.request(request, backend.kind(request));
    let response = backend.answer(request).with("Date", httpdate::fmt_http_date(now()));
    write_response(stream, request, &response, &Delivery::default()).await
}

/// Reads and throws away until the client closes.
pub(crate) async fn drain(stream: &mut TcpStream) {
    let mut sink = [0_u8; 4096];
    while matches!(stream.read(&mut sink).await, Ok(n) if n > 0) {}
}

/// The servers' own clock: they are not part of what is under test, and a client checks their `Date` against its own.
#[expect(clippy::disallowed_methods, reason = "a server's Date is the real time; tests shift it by policy")]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}
