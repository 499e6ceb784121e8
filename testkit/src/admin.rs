//! The admin: what the Rust API does, over HTTP and in JSON, for tests in other languages. At the public port while it
//! answers, and at the admin port always.
//!
//! | request | what |
//! |---|---|
//! | `GET /admin/book` | [`BookPage`](crate::BookPage) |
//! | `GET /admin/counts` | [`Counts`](crate::Counts) |
//! | `GET /admin/requests` | the latest 1,000 [`SeenRequest`](crate::SeenRequest) |
//! | `GET`, `POST`, `DELETE /admin/faults`; `DELETE /admin/faults/<id>` | list; add one [`Rule`] or a list of them; remove all; remove one |
//! | `GET`, `POST /admin/policy` | the [`Policy`](crate::Policy); replace the members that the body names |
//! | `POST /admin/keys` | add `{"<key id>": "<key>"}` |
//! | `PUT`, `DELETE /admin/files/<path>` | serve the body at `/<path>`; no longer |
//! | `POST /admin/reset` | book, counts, faults, policy and keys as after the start |
//! | `POST /admin/stop`, `/admin/resume` | shut and open the public door (admin port only) |

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::backend::Backend;
use crate::connection::Door;
use crate::faults::{Action, Rule};
use crate::http::{Request, Response};
use crate::policy::read_key_table;
use crate::server::Order;

/// Answers a request to the admin; `None` if it is none.
pub(crate) async fn answer(
    request: &Request,
    backend: &Backend,
    door: Door,
    orders: &UnboundedSender<Order>,
) -> Option<Response> {
    let path = request.path.strip_prefix("/admin/")?;
    let answered = match (request.method.as_str(), path) {
        ("GET", "book") => Ok(Response::json(200, &backend.book.page())),
        ("GET", "counts") => Ok(Response::json(200, &backend.seen.counts())),
        ("GET", "requests") => Ok(Response::json(200, &backend.seen.journal())),
        ("GET", "faults") => Ok(Response::json(200, &backend.faults.list())),
        ("POST", "faults") => add_faults(request, backend, door),
        ("DELETE", "faults") => {
            backend.faults.clear();
            Ok(done())
        }
        ("DELETE", path) if path.starts_with("faults/") => remove_fault(path, backend),
        ("GET", "policy") => Ok(Response::json(200, &backend.policy())),
        ("POST", "policy") => change_policy(request, backend),
        ("POST", "keys") => add_keys(request, backend),
        ("PUT", path) if path.starts_with("files/") => {
            backend.origin.put(&decoded(path), request.body.clone());
            Ok(done())
        }
        ("DELETE", path) if path.starts_with("files/") => match backend.origin.remove(&decoded(path)) {
            true => Ok(done()),
            false => Err((404, "no such file".to_owned())),
        },
        ("POST", "reset") => {
            backend.reset();
            Ok(done())
        }
        ("POST", "stop" | "resume") if door == Door::Public => Err((409, at_the_admin_port())),
        ("POST", "stop" | "resume") => {
            backend.set_stopped(path == "stop");
            Ok(done())
        }
        _ => Err((404, "no such admin request".to_owned())),
    };
    if request.method == "GET" {
        return Some(answered.unwrap_or_else(refused));
    }
    // A change may have shut or opened the door: answer when it is so.
    Some(match (answered, apply(orders).await) {
        (Ok(response), Ok(())) => response,
        (Ok(_), Err(why)) => refused((500, why)),
        (Err(error), _) => refused(error),
    })
}

type Answered = Result<Response, (u16, String)>;

fn done() -> Response {
    Response::json(200, &json!({ "done": true }))
}

fn refused((status, why): (u16, String)) -> Response {
    Response::json(status, &json!({ "error": why }))
}

fn at_the_admin_port() -> String {
    "this shuts the public port: ask at the admin port".to_owned()
}

fn add_faults(request: &Request, backend: &Backend, door: Door) -> Answered {
    let value: Value = serde_json::from_slice(&request.body).map_err(bad_json)?;
    let rules: Vec<Rule> = match value {
        Value::Array(_) => serde_json::from_value(value).map_err(bad_json)?,
        one => vec![serde_json::from_value(one).map_err(bad_json)?],
    };
    if door == Door::Public && rules.iter().any(|rule| matches!(rule.action, Action::Refuse { .. })) {
        return Err((409, at_the_admin_port()));
    }
    let ids: Vec<u64> = rules.into_iter().map(|rule| backend.faults.add(rule)).collect();
    Ok(Response::json(200, &json!({ "ids": ids })))
}

fn remove_fault(path: &str, backend: &Backend) -> Answered {
    let id = path.trim_start_matches("faults/").parse().ok();
    match id.is_some_and(|id| backend.faults.remove(id)) {
        true => Ok(done()),
        false => Err((404, "no such rule".to_owned())),
    }
}

fn change_policy(request: &Request, backend: &Backend) -> Answered {
    let members = serde_json::from_slice(&request.body).map_err(bad_json)?;
    let policy = backend.policy().changed_by(&members).map_err(|why| (400, why))?;
    backend.set_policy(policy.clone());
    Ok(Response::json(200, &policy))
}

fn add_keys(request: &Request, backend: &Backend) -> Answered {
    let keys = read_key_table(&String::from_utf8_lossy(&request.body)).map_err(|why| (400, why))?;
    backend.add_keys(keys);
    Ok(done())
}

fn bad_json(error: serde_json::Error) -> (u16, String) {
    (400, error.to_string())
}

fn decoded(path: &str) -> String {
    let path = path.strip_prefix("files").unwrap_or(path);
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}

async fn apply(orders: &UnboundedSender<Order>) -> Result<(), String> {
    let (done, applied) = oneshot::channel();
    let told = orders.send(Order::Apply(Box::new(move |result| {
        let _ = done.send(result);
    })));
    told.map_err(|_| "the servers are ending".to_owned())?;
    applied.await.map_err(|_| "the servers are ending".to_owned())?.map_err(|e| e.to_string())
}
