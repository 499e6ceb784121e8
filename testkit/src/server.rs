//! Starts and stops the servers: one thread, one public listener, and one listener for the test's admin requests.
//!
//! The public listener can be closed and opened again on the same port, so that "the servers are down" and "up again"
//! work with URLs that were stored meanwhile. While it is closed its port stays bound: a connection is refused at once,
//! and no process that asks for a free port is given this one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{self, JoinSet};

use crate::backend::Backend;
use crate::book::BookPage;
use crate::connection::{self, Door};
use crate::faults::{ActiveRule, Rule};
use crate::license::fairplay::certificate;
use crate::origin::Origin;
use crate::policy::{KeyTable, Policy};
use crate::seen::{Counts, SeenRequest};

/// The content to serve, and the port.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The public port; 0, the default, takes a free one.
    pub port: u16,
    /// The admin port; 0, the default, takes a free one.
    pub admin_port: u16,
    /// A folder to serve under `/media`. Its `keys.json` (`{"<key id>": "<key>"}` in hexadecimal) fills the key table.
    pub media_root: Option<PathBuf>,
}

/// The running servers, on loopback only. Dropping it ends them. All methods may be called from any thread, async or not.
pub struct Testkit {
    house: Arc<House>,
    public: SocketAddr,
    admin: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Testkit {
    /// Starts the servers; they answer when this returns. Fails if a port is taken, or `keys.json` is not as it should be.
    pub fn start(options: Options) -> io::Result<Self> {
        let backend = Backend::new(options.media_root.as_deref())?;
        let (orders, inbox) = unbounded_channel();
        let house = Arc::new(House { backend, orders });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (public_socket, public) = reserve(options.port)?;
        let (admin_socket, admin) = reserve(options.admin_port)?;
        let door = PublicDoor { house: Arc::clone(&house), address: public, state: DoorState::Shut(public_socket) };
        let (ready, started) = mpsc::channel();
        let thread = thread::Builder::new().name("larder-testkit".into()).spawn(move || {
            runtime.block_on(run(door, admin_socket, inbox, ready));
            // A hanging answer must not keep the thread.
            runtime.shutdown_background();
        })?;
        let kit = Self { house, public, admin, thread: Some(thread) };
        started.recv().map_err(|_| io::Error::other("the server thread ended"))??;
        Ok(kit)
    }

    /// Where the public is served, without a slash at the end: `http://127.0.0.1:<port>`. The same after a restart.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.public)
    }

    /// `path` (from the first slash on) at [`Testkit::base_url`].
    pub fn url(&self, path: &str) -> String {
        format!("{}/{}", self.base_url(), path.trim_start_matches('/'))
    }

    /// Where the admin is served, faults or not, public door open or shut: the same paths under `/admin/`.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Shuts the public door: connections break off, new ones are refused. Book, keys, policy and faults stay.
    /// Returns when it is shut. Shutting a shut door does nothing.
    pub fn stop(&self) -> io::Result<()> {
        self.order(true)
    }

    /// Opens the public door again, on the same port.
    pub fn resume(&self) -> io::Result<()> {
        self.order(false)
    }

    fn order(&self, stopped: bool) -> io::Result<()> {
        self.house.backend.set_stopped(stopped);
        self.apply()
    }

    /// The files that are served.
    pub fn origin(&self) -> &Origin {
        &self.house.backend.origin
    }

    /// Returns the licenses that the servers issued, renewed and released.
    pub fn book(&self) -> BookPage {
        self.house.backend.book.page()
    }

    /// Returns the policy of the license servers.
    pub fn policy(&self) -> Policy {
        self.house.backend.policy()
    }

    /// Changes what the license servers grant from now on.
    pub fn set_policy(&self, policy: Policy) {
        self.house.backend.set_policy(policy);
    }

    /// The keys that the ClearKey server gives out.
    pub fn keys(&self) -> KeyTable {
        self.house.backend.keys()
    }

    /// Adds keys, or replaces them.
    pub fn add_keys(&self, keys: KeyTable) {
        self.house.backend.add_keys(keys);
    }

    /// The application certificate that `/fairplay/certificate` serves, and that SPCs must be made for.
    pub fn certificate(&self) -> Vec<u8> {
        certificate(self.policy().certificate)
    }

    /// Adds a fault; returns its id when it is in force.
    pub fn add_fault(&self, rule: Rule) -> io::Result<u64> {
        let id = self.house.backend.faults.add(rule);
        self.apply().map(|()| id)
    }

    /// Takes a fault away; `false` if there was none of that id.
    pub fn remove_fault(&self, id: u64) -> io::Result<bool> {
        let was_there = self.house.backend.faults.remove(id);
        self.apply().map(|()| was_there)
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) -> io::Result<()> {
        self.house.backend.faults.clear();
        self.apply()
    }

    /// The faults in force, and how often each has struck.
    pub fn faults(&self) -> Vec<ActiveRule> {
        self.house.backend.faults.list()
    }

    /// How often what was asked since the start or the last reset.
    pub fn counts(&self) -> Counts {
        self.house.backend.seen.counts()
    }

    /// The latest 1,000 requests, oldest first.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.house.backend.seen.journal()
    }

    /// Book, counts, faults, policy and keys as after the start. The files that are served stay.
    pub fn reset(&self) -> io::Result<()> {
        self.house.backend.reset();
        self.apply()
    }

    /// Waits until the public door is as it should be. By a std channel, because a blocking receive of tokio's panics
    /// when the caller is an async test.
    fn apply(&self) -> io::Result<()> {
        let (done, wait) = mpsc::channel();
        let told = self.house.orders.send(Order::Apply(Box::new(move |result| {
            let _ = done.send(result);
        })));
        let gone = || io::Error::other("the servers have ended");
        told.map_err(|_| gone())?;
        wait.recv_timeout(Duration::from_secs(10)).map_err(|_| gone())?
    }
}

impl std::fmt::Debug for Testkit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Testkit").field("public", &self.public).field("admin", &self.admin).finish_non_exhaustive()
    }
}

impl Drop for Testkit {
    fn drop(&mut self) {
        let _ = self.house.orders.send(Order::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The state that all connections share.
pub(crate) struct House {
    pub(crate) backend: Backend,
    pub(crate) orders: UnboundedSender<Order>,
}

/// A command for the server thread.
pub(crate) enum Order {
    /// Make the public door as it should be, then say so.
    Apply(Box<dyn FnOnce(io::Result<()>) + Send>),
    End,
}

fn reserve(port: u16) -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    // A port with connections in TIME_WAIT must be bindable, or a restart would fail for a minute.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)))?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

async fn run(
    mut door: PublicDoor,
    admin: TcpSocket,
    mut inbox: UnboundedReceiver<Order>,
    ready: mpsc::Sender<io::Result<()>>,
) {
    let started = match admin.listen(64) {
        Ok(listener) => {
            task::spawn(accept(listener, Door::Admin, Arc::clone(&door.house), Arc::default()));
            door.apply().await
        }
        Err(error) => Err(error),
    };
    let failed = started.is_err();
    let _ = ready.send(started);
    if failed {
        return;
    }
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Apply(done) => done(door.apply().await),
            Order::End => break,
        }
    }
}

struct PublicDoor {
    house: Arc<House>,
    address: SocketAddr,
    state: DoorState,
}

enum DoorState {
    /// Bound, not listening: the kernel refuses connections.
    Shut(TcpSocket),
    Open {
        accepting: task::JoinHandle<()>,
        connections: Arc<Mutex<JoinSet<()>>>,
    },
    /// Binding failed; tried again at the next order.
    Lost,
}

impl PublicDoor {
    async fn apply(&mut self) -> io::Result<()> {
        let (open, look_again) = self.house.backend.should_listen();
        if let Some(at) = look_again {
            let orders = self.house.orders.clone();
            task::spawn(async move {
                tokio::time::sleep_until(at.into()).await;
                let _ = orders.send(Order::Apply(Box::new(|_| ())));
            });
        }
        self.state = match (std::mem::replace(&mut self.state, DoorState::Lost), open) {
            (DoorState::Shut(socket), true) => self.listen(socket)?,
            (DoorState::Open { accepting, connections }, false) => {
                accepting.abort();
                let _ = accepting.await;
                let mut all = std::mem::take(&mut *connections.lock().unwrap_or_else(PoisonError::into_inner));
                all.shutdown().await;
                DoorState::Shut(reserve(self.address.port())?.0)
            }
            (DoorState::Lost, true) => self.listen(reserve(self.address.port())?.0)?,
            (DoorState::Lost, false) => DoorState::Shut(reserve(self.address.port())?.0),
            (as_it_is, _) => as_it_is,
        };
        Ok(())
    }

    fn listen(&self, socket: TcpSocket) -> io::Result<DoorState> {
        let listener = socket.listen(1024)?;
        let connections = Arc::default();
        let accepting = task::spawn(accept(listener, Door::Public, Arc::clone(&self.house), Arc::clone(&connections)));
        Ok(DoorState::Open { accepting, connections })
    }
}

async fn accept(listener: TcpListener, door: Door, house: Arc<House>, connections: Arc<Mutex<JoinSet<()>>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let mut connections = connections.lock().unwrap_or_else(PoisonError::into_inner);
                while connections.try_join_next().is_some() {}
                connections.spawn(connection::serve(stream, door, Arc::clone(&house)));
            }
            // Out of file descriptors, most likely: let some connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
