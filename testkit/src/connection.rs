//! One connection: read a request, answer it, again.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::admin;
use crate::faults::{GARBAGE, Instead};
use crate::http::{Delivery, ReadError, Request, RequestReader, Response, Then, write_response};
use crate::server::House;

/// Which of the two doors a connection came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Public,
    Admin,
}

pub(crate) async fn serve(mut stream: TcpStream, door: Door, house: Arc<House>) {
    // Small responses must not wait for the client's delayed ACK.
    let _ = stream.set_nodelay(true);
    if door == Door::Public {
        house.backend.seen.connection();
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
        match exchange(&mut stream, &request, door, &house).await {
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

async fn exchange(stream: &mut TcpStream, request: &Request, door: Door, house: &House) -> std::io::Result<Then> {
    let backend = &house.backend;
    if let Some(response) = admin::answer(request, backend, door, &house.orders).await {
        return write_response(stream, request, &response, &Delivery::default()).await;
    }
    if door == Door::Admin {
        let response = Response::text(404, "this is the admin port; media and licenses are at the public one");
        return write_response(stream, request, &response, &Delivery::default()).await;
    }
    let kind = backend.kind(request);
    backend.seen.request(request, kind);
    let mut plan = backend.faults.plan(request, kind);
    let instead = plan.instead.take();
    tokio::time::sleep(plan.delay).await;

    let mut heard = request.clone();
    if plan.ignore_range {
        heard.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Range"));
    }
    // The servers must hear of a request before its answer is lost, if the rule says so.
    let handles = instead.as_ref().is_none_or(|(_, after_handling)| *after_handling);
    let own = if handles { backend.answer(&heard) } else { Response::new(200) };
    tokio::time::sleep(plan.delay_after).await;
    let mut response = match instead.map(|(what, _)| what) {
        None => own,
        Some(Instead::Response(response)) => response,
        Some(Instead::Hang) => {
            drain(stream).await;
            return Ok(Then::Close);
        }
        Some(Instead::Reset) => return Ok(Then::Reset),
        Some(Instead::Garbage) => {
            stream.write_all(GARBAGE).await?;
            return Ok(Then::Close);
        }
    };
    if response.header("Date").is_none() {
        response.set_header("Date", Some(&httpdate::fmt_http_date(backend.now())));
    }
    plan.damage(&mut response);
    write_response(stream, request, &response, &plan.delivery).await
}

/// Reads and throws away until the client closes.
pub(crate) async fn drain(stream: &mut TcpStream) {
    let mut sink = [0_u8; 4096];
    while matches!(stream.read(&mut sink).await, Ok(n) if n > 0) {}
}
