//! The servers' life: one thread, one door that the public uses, one for the test.
//!
//! The public door can be shut and opened again on the same port, so that "the servers are down" and "up again" work
//! with URLs that were stored meanwhile. While it is shut its port stays bound: a connection is refused at once, and
//! nobody who asks for a free port is given this one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{self, JoinSet};

use crate::backend::Backend;
use crate::connection::{self, Door};
use crate::origin::Origin;
use crate::seen::{Counts, SeenRequest};

/// What to serve and where.
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
    backend: Arc<Backend>,
    orders: UnboundedSender<Order>,
    public: SocketAddr,
    admin: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Testkit {
    /// Starts the servers; they answer when this returns. Fails if a port is taken, or `keys.json` is not as it should be.
    pub fn start(options: Options) -> io::Result<Self> {
        let backend = Arc::new(Backend::new(options.media_root.as_deref())?);
        let (orders, inbox) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (public_socket, public) = reserve(options.port)?;
        let (admin_socket, admin) = reserve(options.admin_port)?;
        let (ready, started) = mpsc::channel();
        let for_thread = Arc::clone(&backend);
        let thread = thread::Builder::new().name("larder-testkit".into()).spawn(move || {
            run(&runtime, for_thread, public_socket, public, admin_socket, inbox, &ready);
            // A hanging answer must not keep the thread.
            runtime.shutdown_background();
        })?;
        let kit = Self { backend, orders, public, admin, thread: Some(thread) };
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
        self.backend.set_stopped(stopped);
        settle(&self.orders)
    }

    /// The files that are served.
    pub fn origin(&self) -> &Origin {
        &self.backend.origin
    }

    /// How often what was asked since the start or the last reset.
    pub fn counts(&self) -> Counts {
        self.backend.seen.counts()
    }

    /// The latest 1,000 requests, oldest first.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.backend.seen.journal()
    }
}

impl std::fmt::Debug for Testkit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Testkit").field("public", &self.public).field("admin", &self.admin).finish_non_exhaustive()
    }
}

impl Drop for Testkit {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the server thread is told.
pub(crate) enum Order {
    /// Make the public door as it should be, then say so.
    Settle(Box<dyn FnOnce(io::Result<()>) + Send>),
    End,
}

/// Waits until the public door is as it should be. A std channel, because a blocking receive of tokio's panics when
/// the caller is an async test.
pub(crate) fn settle(orders: &UnboundedSender<Order>) -> io::Result<()> {
    let (done, wait) = mpsc::channel();
    let told = orders.send(Order::Settle(Box::new(move |result| {
        let _ = done.send(result);
    })));
    let gone = || io::Error::other("the servers have ended");
    told.map_err(|_| gone())?;
    wait.recv_timeout(Duration::from_secs(10)).map_err(|_| gone())?
}

fn reserve(port: u16) -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    // A port with connections in TIME_WAIT must be bindable, or a restart would fail for a minute.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)))?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

fn run(
    runtime: &Runtime,
    backend: Arc<Backend>,
    public: TcpSocket,
    address: SocketAddr,
    admin: TcpSocket,
    mut inbox: UnboundedReceiver<Order>,
    ready: &mpsc::Sender<io::Result<()>>,
) {
    runtime.block_on(async {
        let mut house = PublicDoor { backend: Arc::clone(&backend), address, state: DoorState::Shut(public) };
        let started = match admin.listen(64) {
            Ok(listener) => {
                let connections = Arc::default();
                task::spawn(accept(listener, Arc::clone(&backend), Door::Admin, connections));
                house.settle().await
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
                Order::Settle(done) => done(house.settle().await),
                Order::End => break,
            }
        }
    });
}

struct PublicDoor {
    backend: Arc<Backend>,
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
    async fn settle(&mut self) -> io::Result<()> {
        let open = self.backend.should_listen();
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
        let accepting =
            task::spawn(accept(listener, Arc::clone(&self.backend), Door::Public, Arc::clone(&connections)));
        Ok(DoorState::Open { accepting, connections })
    }
}

async fn accept(listener: TcpListener, backend: Arc<Backend>, door: Door, connections: Arc<Mutex<JoinSet<()>>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let mut connections = connections.lock().unwrap_or_else(PoisonError::into_inner);
                while connections.try_join_next().is_some() {}
                connections.spawn(connection::serve(stream, Arc::clone(&backend), door));
            }
            // Out of file descriptors, most likely: let some connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
